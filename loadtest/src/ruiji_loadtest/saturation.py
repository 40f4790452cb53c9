"""How much a server can take: raise the rate until it falls behind, then close in on the point where it did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ruiji_loadtest.generator import Load, run_open_loop
from ruiji_loadtest.report import OpenLoopReport, SaturationReport


@dataclass(frozen=True, slots=True)
class SaturationSearch:
    """When a rate counts as sustained, and how closely to look."""

    max_p99_ms: float | None = None
    """Largest acceptable 99th percentile of the latency; None accepts any that the deadline allows."""
    min_answered_share: float = 0.97
    """Share of the offered requests that must be answered within the window."""
    growth: float = 1.5
    """Factor from one rate to the next until one is not sustained."""
    precision: float = 0.05
    """The search ends when the two rates differ by less than this share."""

    def __post_init__(self) -> None:
        if self.growth <= 1 or self.precision <= 0 or not 0 < self.min_answered_share <= 1:
            raise ValueError("growth must be above 1, precision above 0, min_answered_share above 0 and at most 1")

    def is_sustained(self, report: OpenLoopReport) -> bool:
        """Whether the server kept up."""
        kept_up = report.answered_per_s >= self.min_answered_share * report.offered_per_s
        return kept_up and not report.failures(max_p99_ms=self.max_p99_ms)


def find_saturation(
    load: Load,
    item_ids: Sequence[str],
    search: SaturationSearch,
    progress: Callable[[OpenLoopReport], None] = lambda _step: None,
) -> SaturationReport:
    """Find the highest rate that is sustained.

    Args:
        load: the first step; its rate should be one that the server can do.
        item_ids: items to ask for.
        search: what is being looked for.
        progress: told about each step when it is done.

    Raises:
        RuijiClientError: the server does not answer at all.
    """
    steps: list[OpenLoopReport] = []
    sustained: OpenLoopReport | None = None
    exceeded: OpenLoopReport | None = None
    low, high, rate = 0.0, float("inf"), load.rate_per_s
    while True:
        # Another seed for each step: else each would repeat the same arrivals, only faster.
        step = run_open_loop(replace(load, rate_per_s=rate, seed=load.seed + len(steps)), item_ids)
        steps.append(step)
        progress(step)
        if search.is_sustained(step):
            low, sustained = rate, step
        else:
            high, exceeded = rate, step
        # A generator without time to spare cannot say anything about higher rates.
        if sustained is None or step.generator_was_the_limit or high <= low * (1 + search.precision):
            break
        rate = low * search.growth if exceeded is None else (low + high) / 2
    limited = any(step.generator_was_the_limit for step in steps)
    return SaturationReport(sustained, exceeded, limited, tuple(steps))
