"""Whether units were assigned as planned. Where they were not, nothing else in a report can be believed.

The sample-ratio mismatch check is a chi-square test of the numbers of units against the planned shares (Fabijan and
others, "Diagnosing sample ratio mismatch in online controlled experiments", KDD 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Mapping

MISMATCH_BELOW = 0.001
"""A p-value below this is a mismatch: rare enough not to cry wolf, and true mismatches are far beyond it."""


@dataclass(frozen=True, slots=True)
class AssignmentCheck:
    """Numbers of units against planned shares."""

    units: Mapping[str, int]
    """By variant, as seen."""
    planned: Mapping[str, float]
    """By variant, shares that add up to 1."""
    p_value: float
    """Of numbers as far from the plan as these, or farther."""

    @property
    def mismatch(self) -> bool:
        """Whether the assignment, or the logging of one variant, is broken."""
        return self.p_value < MISMATCH_BELOW


def check_assignment(units: Mapping[str, int], shares: Mapping[str, float]) -> AssignmentCheck:
    """Compare numbers of units with planned shares, which need not add up to 1.

    Args:
        units: by variant; a variant of the plan that nobody saw counts 0.
        shares: by variant, above 0; its variants are those of the experiment.
    """
    total = sum(shares.values())
    planned = {variant: share / total for variant, share in shares.items()}
    seen = {variant: units.get(variant, 0) for variant in shares}
    observed = np.array(list(seen.values()), np.float64)
    expected = np.array(list(planned.values())) * observed.sum()
    p_value = float(stats.chisquare(observed, expected).pvalue) if observed.sum() and len(seen) > 1 else 1.0
    return AssignmentCheck(seen, planned, p_value)
