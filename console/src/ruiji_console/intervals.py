"""Where intervals lie on a plot that has 0 in its middle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ruiji_client import Estimate

_REACHES: Final = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Round ends of a scale; what is beyond the last is cut off."""
_WIDEST: Final = 2.0
"""Times as far as the first intervals reach, the others may stretch the scale: early ones would squeeze everything."""


@dataclass(frozen=True, slots=True)
class Segment:
    """An interval on a plot, from 0 at its left end to 100 at its right."""

    low: float
    high: float
    value: float


@dataclass(frozen=True, slots=True)
class Scale:
    """From minus `reach` to plus `reach`."""

    reach: float
    """Above 0, relative: 0.1 for 10 %."""

    def segment(self, estimate: Estimate) -> Segment:
        """Return where an estimate lies; what is beyond the ends is cut off."""
        low, high = (estimate.low, estimate.high) if estimate.HasField("low") else (estimate.value, estimate.value)
        return Segment(self._place(low), self._place(high), self._place(estimate.value))

    def _place(self, value: float) -> float:
        return 50.0 + 50.0 * max(-1.0, min(1.0, value / self.reach))


def scale_of(first: Sequence[Estimate], others: Sequence[Estimate]) -> Scale:
    """Return a scale that shows all of the first intervals, and as much of the others as does not squeeze these.

    Args:
        first: shown whole, if they end before ±500 %.
        others: may be cut off.
    """
    needed, wished = (
        max((abs(bound) for one in estimates for bound in (one.value, one.low, one.high)), default=0.0)
        for estimates in (first, others)
    )
    if needed:
        wished = min(wished, _WIDEST * needed)
    reach = max(needed, wished)
    return Scale(next((end for end in _REACHES if end >= reach), _REACHES[-1]))
