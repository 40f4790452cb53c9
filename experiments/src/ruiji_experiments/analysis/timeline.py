"""How a lift stood at the end of each day. Taps and purchases count for the day on which their page was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ruiji_experiments.analysis.lifts import LEAST_EVENTS, always_valid, tested
from ruiji_experiments.analysis.ratio import lift, ratio_estimate
from ruiji_experiments.analysis.results import METRICS, TimelinePoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ruiji_experiments.analysis.counts import DailySums, UnitSums
    from ruiji_experiments.analysis.settings import AnalysisSettings


def timeline(
    daily: DailySums, sums: UnitSums, variants: Sequence[str], settings: AnalysisSettings
) -> tuple[TimelinePoint, ...]:
    """Return a point for each day on which there were events enough, by day, variant and metric."""
    so_far = {name: np.zeros(len(sums.variant)) for name in ("units", *daily.sums)}
    arms = {name: sums.of(name) for name in (settings.control, *variants)}
    points = []
    for row, day in enumerate(daily.days):
        rows = daily.day == row
        units = daily.unit[rows]
        so_far["units"][units] = 1.0
        for name, values in daily.sums.items():
            # A unit has one row a day.
            so_far[name][units] += values[rows]
        for variant in variants:
            here = [arms[name] & (so_far["units"] > 0) for name in (settings.control, variant)]
            for metric in METRICS:
                sides = [(so_far[metric.numerator][arm], so_far[metric.denominator][arm]) for arm in here]
                if min(numerators.sum() for numerators, _ in sides) < LEAST_EVENTS:
                    continue
                found = lift(*(ratio_estimate(*side) for side in sides))
                plain, safe = tested(found, settings.confidence), always_valid(found, settings)
                points.append(TimelinePoint(day, variant, metric.name, plain.lift, safe.lift))
    return tuple(points)
