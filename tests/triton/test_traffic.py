"""When an encoder is sent a probe."""

from __future__ import annotations

from ruiji_triton.traffic import Traffic


def test_answered_traffic_needs_no_probe() -> None:
    traffic = Traffic(now_s=0.0, probe_interval_s=10.0)
    assert not any(traffic.needs_probe(answered=second, failed=0, now_s=float(second)) for second in range(1, 100))


def test_idle_encoder_is_probed_once_an_interval() -> None:
    traffic = Traffic(now_s=0.0, probe_interval_s=10.0)
    assert not traffic.needs_probe(answered=0, failed=0, now_s=9.9)
    assert traffic.needs_probe(answered=0, failed=0, now_s=10.0)
    traffic.probed(now_s=10.0)
    assert not traffic.needs_probe(answered=0, failed=0, now_s=19.9)


def test_failing_request_asks_for_a_probe_at_once() -> None:
    traffic = Traffic(now_s=0.0, probe_interval_s=10.0)
    assert traffic.needs_probe(answered=5, failed=1, now_s=1.0)
    assert not traffic.needs_probe(answered=6, failed=1, now_s=2.0)


def test_counts_that_start_anew_after_a_reload_are_no_failures() -> None:
    traffic = Traffic(now_s=0.0, probe_interval_s=10.0)
    traffic.needs_probe(answered=50, failed=3, now_s=1.0)
    assert not traffic.needs_probe(answered=1, failed=0, now_s=2.0)
    assert traffic.needs_probe(answered=2, failed=1, now_s=3.0)
