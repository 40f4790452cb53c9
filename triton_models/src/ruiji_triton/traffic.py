"""Tells from an encoder's request counts when to send it an inference of our own."""

from __future__ import annotations


class Traffic:
    """Requests of one encoder; those that are answered prove its health for free, those that fail ask for a probe."""

    def __init__(self, *, now_s: float, probe_interval_s: float) -> None:
        self._probe_interval_s = probe_interval_s
        self._answered = 0
        self._failed = 0
        self._healthy_at_s = now_s

    def needs_probe(self, *, answered: int, failed: int, now_s: float) -> bool:
        """Take the present counts, and say whether requests failed or nobody was answered for the interval."""
        failing = failed > self._failed
        if answered > self._answered:
            self._healthy_at_s = now_s
        self._answered, self._failed = answered, failed
        return failing or now_s - self._healthy_at_s >= self._probe_interval_s

    def probed(self, *, now_s: float) -> None:
        """Note that a probe was answered."""
        self._healthy_at_s = now_s
