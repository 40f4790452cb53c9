"""The open-loop test asks at its own pace, counts all waiting, and fails when the server does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import pytest
import typer
from ruiji.v1 import recommendation_pb2
from ruiji_client import ClientSettings, ErrorDetail, UnavailableError
from ruiji_loadtest.generator import Arrivals, Load, arrival_times, run_open_loop
from ruiji_loadtest.open_loop import main
from ruiji_loadtest.report import OpenLoopReport, Percentiles, to_json
from ruiji_loadtest.saturation import SaturationSearch, find_saturation
from typer.testing import CliRunner, Result

from tests.support.reference_server import Fault, ReferenceServer

NOWHERE = ClientSettings("localhost:1")


def load(server: ReferenceServer, **changes: object) -> Load:
    settings: dict[str, object] = {"rate_per_s": 50.0, "duration_s": 1.0, "warmup_s": 0.2, "timeout_s": 60.0}
    return Load(ClientSettings(server.target), **settings | changes)  # type: ignore[arg-type]  # checked by the tests


class TestArrivals:
    def test_fixed_arrivals_are_evenly_spaced(self) -> None:
        times = arrival_times(Load(NOWHERE, rate_per_s=4, duration_s=2, warmup_s=0.5, arrivals=Arrivals.FIXED))
        assert times.tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.25]

    def test_poisson_arrivals_come_at_the_rate_with_exponential_gaps(self) -> None:
        times = arrival_times(Load(NOWHERE, rate_per_s=1000, duration_s=99, warmup_s=1))
        gaps = np.diff(times)
        assert len(times) == pytest.approx(100_000, rel=0.02)
        assert (gaps >= 0).all()
        # For an exponential distribution the deviation equals the mean, and 1/e of the gaps are longer than it.
        assert np.std(gaps) == pytest.approx(0.001, rel=0.02)
        assert np.mean(gaps > 0.001) == pytest.approx(1 / math.e, rel=0.02)

    def test_equal_seeds_give_equal_arrivals(self) -> None:
        first, second, other = (arrival_times(Load(NOWHERE, rate_per_s=100, seed=seed)) for seed in (1, 1, 2))
        assert np.array_equal(first, second)
        assert not np.array_equal(first[:10], other[:10])

    @pytest.mark.parametrize(
        "changes", [{"rate_per_s": 0}, {"duration_s": -1}, {"timeout_s": float("inf")}, {"connections": 0}]
    )
    def test_a_load_that_is_none_is_refused(self, changes: dict[str, float]) -> None:
        with pytest.raises(ValueError, match=next(iter(changes))):
            Load(NOWHERE, **{"rate_per_s": 1, **changes})  # type: ignore[arg-type]


class TestRun:
    def test_a_server_that_answers_passes(self, server: ReferenceServer, item_ids: tuple[str, ...]) -> None:
        report = run_open_loop(load(server), item_ids)
        assert report.failures() == []
        assert report.errors == {}
        assert report.latency_ms is not None
        assert report.latency_ms.p50 <= report.latency_ms.p99 <= report.latency_ms.max

    def test_each_arrival_is_one_request_and_the_warm_up_does_not_count(
        self, server: ReferenceServer, item_ids: tuple[str, ...]
    ) -> None:
        plan = load(server)
        sent: list[int] = []
        report = run_open_loop(plan, item_ids, sent.append)
        times = arrival_times(plan)
        assert len(server.calls("SimilarItems")) == sum(sent) == len(times)
        assert report.requests == (times >= plan.warmup_s).sum() < len(times)

    def test_requests_ask_for_the_given_items_over_all_connections(
        self, server: ReferenceServer, item_ids: tuple[str, ...]
    ) -> None:
        run_open_loop(load(server, connections=3, page_size=7), item_ids)
        calls = server.calls("SimilarItems")
        requests = [call.request for call in calls if isinstance(call.request, recommendation_pb2.SimilarItemsRequest)]
        assert len(requests) == len(calls)
        assert {request.item_id for request in requests} <= set(item_ids)
        assert {request.page_size for request in requests} == {7}
        assert len({call.peer for call in calls}) == 3

    def test_failures_are_counted_by_status_and_reason_and_not_retried(
        self, server: ReferenceServer, item_ids: tuple[str, ...]
    ) -> None:
        plan = load(server, warmup_s=0.0)
        detail = ErrorDetail(reason="GENERATION_UNAVAILABLE", message="none is loaded")
        # The first calls are one greeting on each connection.
        server.faults.extend([Fault()] * plan.connections + [Fault(grpc.StatusCode.UNAVAILABLE, detail)] * 5)
        report = run_open_loop(plan, item_ids)
        assert report.errors == {"UNAVAILABLE GENERATION_UNAVAILABLE": 5}
        assert report.failures() == ["5 requests failed with UNAVAILABLE GENERATION_UNAVAILABLE"]
        assert len(server.calls("SimilarItems")) == report.requests

    def test_a_missed_deadline_is_a_failure(self, server: ReferenceServer, item_ids: tuple[str, ...]) -> None:
        server.faults.extend([Fault()] * 4)
        server.every_call = Fault(delay_s=1.0)
        report = run_open_loop(load(server, duration_s=0.3, warmup_s=0.0, timeout_s=0.2), item_ids)
        assert report.latency_ms is None
        assert set(report.errors) == {"DEADLINE_EXCEEDED"}
        assert "nothing was answered" in report.failures()

    def test_a_slow_server_fails_the_limit_on_p99(self, server: ReferenceServer, item_ids: tuple[str, ...]) -> None:
        server.every_call = Fault(delay_s=0.1)
        report = run_open_loop(load(server, rate_per_s=20.0), item_ids)
        assert report.failures() == []
        [failure] = report.failures(max_p99_ms=99)
        assert failure.endswith("above the limit of 99 ms")

    def test_waiting_behind_others_counts(self, server: ReferenceServer, item_ids: tuple[str, ...]) -> None:
        """No coordinated omission: a closed loop of eight users would report 0.2 s here, and be wrong.

        Eight answers at a time, 0.2 s each, are 40 a second; 80 come in. Request number i is due at i / 80 s, and not
        answered before i / 40 s: half of the 80 wait for more than 0.5 s.
        """
        server.every_call = Fault(delay_s=0.2)
        plan = load(server, rate_per_s=80.0, duration_s=1.0, warmup_s=0.0, arrivals=Arrivals.FIXED)
        report = run_open_loop(plan, item_ids)
        assert report.errors == {}
        assert report.latency_ms is not None
        assert report.latency_ms.p50 >= 500
        assert report.answered_per_s <= 48 < report.offered_per_s == 80

    def test_a_server_that_is_not_there_is_said_at_once(self, item_ids: tuple[str, ...]) -> None:
        with pytest.raises(UnavailableError):
            run_open_loop(Load(NOWHERE, rate_per_s=100, duration_s=60), item_ids)


class TestReport:
    def test_it_can_be_kept_as_json(self, server: ReferenceServer, item_ids: tuple[str, ...]) -> None:
        report = run_open_loop(load(server, duration_s=0.2), item_ids)
        kept = json.loads(to_json(report))
        assert (
            OpenLoopReport(
                **kept
                | {"latency_ms": Percentiles(**kept["latency_ms"]), "send_lag_ms": Percentiles(**kept["send_lag_ms"])}
            )
            == report
        )

    def test_numbers_that_are_the_generators_own_are_marked(self) -> None:
        fast, slow = Percentiles(1, 2, 3, 4, 5), Percentiles(10, 20, 30, 40, 50)

        def report(latency: Percentiles, lag: Percentiles, cpu: float) -> OpenLoopReport:
            return OpenLoopReport(1.0, 100, 100.0, 100.0, {}, latency, lag, cpu)

        assert not report(slow, fast, 0.5).generator_was_late
        assert not report(slow, fast, 0.5).generator_was_the_limit
        assert report(slow, slow, 0.5).generator_was_late
        assert report(slow, fast, 0.95).generator_was_the_limit


class TestSaturation:
    def test_the_highest_sustained_rate_is_found(self, server: ReferenceServer, item_ids: tuple[str, ...]) -> None:
        """Eight answers at a time, 0.05 s each: half a second sees 88 of them at most."""
        server.every_call = Fault(delay_s=0.05)
        plan = load(server, rate_per_s=20.0, duration_s=0.5, warmup_s=0.1, arrivals=Arrivals.FIXED)
        found = find_saturation(plan, item_ids, SaturationSearch(growth=3.0, precision=0.5, min_answered_share=0.8))
        assert found.sustained is not None
        assert found.exceeded is not None
        assert not found.generator_was_the_limit
        assert 20 <= found.sustained.offered_per_s < found.exceeded.offered_per_s
        assert found.sustained.offered_per_s <= 2 * 88 / 0.8
        assert set(map(id, (found.sustained, found.exceeded))) <= set(map(id, found.steps))

    def test_a_server_that_cannot_do_the_first_rate_sustains_none(
        self, server: ReferenceServer, item_ids: tuple[str, ...]
    ) -> None:
        server.faults.extend([Fault()] * 4)
        server.every_call = Fault(grpc.StatusCode.INTERNAL)
        steps: list[OpenLoopReport] = []
        found = find_saturation(load(server, duration_s=0.2), item_ids, SaturationSearch(), steps.append)
        assert found.sustained is None
        assert found.steps == tuple(steps)
        assert len(steps) == 1

    def test_a_limit_on_p99_is_part_of_keeping_up(self) -> None:
        report = OpenLoopReport(1.0, 100, 100.0, 100.0, {}, Percentiles(1, 2, 30, 40, 50), None, 0.1)
        assert SaturationSearch(max_p99_ms=30).is_sustained(report)
        assert not SaturationSearch(max_p99_ms=29).is_sustained(report)


class TestCommand:
    @pytest.fixture
    def command(self, server: ReferenceServer, item_ids_file: Path) -> Callable[..., Result]:
        app = typer.Typer()
        app.command()(main)

        def run(*arguments: str, target: str = server.target, ids: Path = item_ids_file) -> Result:
            quick = ["--duration", "0.5", "--warmup", "0", "--rate", "40", "--timeout", "30"]
            return CliRunner().invoke(app, [target, "--item-ids", str(ids), *quick, *arguments])

        return run

    def test_it_prints_a_report_for_programs(self, command: Callable[..., Result]) -> None:
        result = command("--json", "--max-p99-ms", "30000")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["errors"] == {}

    def test_it_prints_a_table_for_people(self, command: Callable[..., Result]) -> None:
        result = command("--arrivals", "fixed")
        assert result.exit_code == 0, result.output
        assert "answered/s" in result.stdout

    def test_it_fails_with_the_server(self, command: Callable[..., Result], server: ReferenceServer) -> None:
        server.faults.extend([Fault()] * 4 + [Fault(grpc.StatusCode.INTERNAL)])
        result = command()
        assert result.exit_code == 1
        assert "1 requests failed with INTERNAL" in result.stderr

    def test_it_fails_above_the_limit(self, command: Callable[..., Result], server: ReferenceServer) -> None:
        server.every_call = Fault(delay_s=0.05)
        result = command("--max-p99-ms", "49")
        assert result.exit_code == 1
        assert "above the limit of 49 ms" in result.stderr

    def test_it_fails_without_a_server(self, command: Callable[..., Result]) -> None:
        result = command(target="localhost:1")
        assert result.exit_code == 1
        assert "does not answer" in result.stderr

    def test_a_mistake_in_its_use_is_told_apart_from_a_failure(
        self, command: Callable[..., Result], tmp_path: Path
    ) -> None:
        assert command(ids=tmp_path / "absent").exit_code == 2
        assert command("--rate", "-1").exit_code == 2

    def test_it_finds_saturation(self, command: Callable[..., Result], server: ReferenceServer) -> None:
        server.faults.extend([Fault()] * 4)
        server.every_call = Fault(grpc.StatusCode.INTERNAL)
        result = command("--saturation")
        assert result.exit_code == 1
        assert "not even 40 requests/s" in result.stderr
