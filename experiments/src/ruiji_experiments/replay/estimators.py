"""Estimates of another policy's CTR over the first positions, from pages with known propensities.

The model is that of item and position (Li, Abbasi-Yadkori, Kveton and others, "Offline evaluation of ranking policies
with click models", KDD 2018): whether an item is tapped depends on the query, the item and where it stands, not on its
neighbours. For every shown item, w = 1 / propensity if the other policy would have it at the very position at which
it stood, and 0 otherwise. Over all places at the first `positions` positions:

    IPS     sum(w * tap) / places           unbiased; Horvitz and Thompson 1952
    SNIPS   sum(w * tap) / sum(w)           a little bias, less variance; Swaminathan and Joachims 2015
    DR      (sum(q where the other policy has it) + sum(w * (tap - q where it stood))) / places
                                            right if the propensities or the model q are; Dudik and others 2011

Intervals take units as what varies, by the delta method. The effective number of places is Kish's sum(w)^2 / sum(w^2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_experiments.analysis.ratio import Floats
    from ruiji_experiments.replay.logged import LoggedPages


@dataclass(frozen=True, slots=True)
class RatioSums:
    """A ratio of sums as its parts by unit, shape (units,) each."""

    numerators: Floats
    """Summed by unit."""
    denominators: Floats
    """Summed by unit."""

    @property
    def value(self) -> float:
        """The ratio."""
        return float(self.numerators.sum() / self.denominators.sum())

    def influence(self) -> Floats:
        """Return what each unit adds to the ratio's error, shape (units,)."""
        return np.asarray((self.numerators - self.value * self.denominators) / self.denominators.mean())

    def error(self) -> float:
        """Return the standard error of the ratio."""
        return standard_error(self.influence())


@dataclass(frozen=True, slots=True)
class Estimate:
    """One estimate of the other policy's CTR."""

    value: float
    """CTR over the first positions."""
    low: float
    """Lower bound."""
    high: float
    """Upper bound."""
    difference: float
    """From the CTR of the pages as they were shown."""
    difference_low: float
    """Lower bound; the two CTRs come from the same units, so they vary together."""
    difference_high: float
    """Upper bound."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Each shown item under the other policy, shape (items,) each."""

    weight: Floats
    """1 / propensity where both policies agree on the place, within the first positions; else 0."""
    wanted: NDArray[np.bool_]
    """Whether the other policy has it within the first positions."""
    shown: NDArray[np.bool_]
    """Whether it stood there."""


def placement(pages: LoggedPages, target: NDArray[np.int64], positions: int) -> Placement:
    """Compare where items stood with where another policy would have them (1 is the first, 0 is nowhere)."""
    wanted = (target >= 1) & (target <= positions)
    shown = pages.position <= positions
    agree = wanted & (pages.position == target)
    return Placement(np.where(agree, 1 / pages.propensity, 0.0), wanted, shown)


def by_unit(pages: LoggedPages, values: Floats) -> Floats:
    """Sum values of items by unit, shape (units,)."""
    return np.bincount(pages.unit, weights=values).astype(np.float64)


def logged_ctr(pages: LoggedPages, placed: Placement) -> RatioSums:
    """Return the CTR of the first positions as they were shown."""
    return RatioSums(by_unit(pages, pages.tapped * placed.shown), by_unit(pages, placed.shown.astype(np.float64)))


def ips(pages: LoggedPages, placed: Placement) -> RatioSums:
    """Return the estimate by inverse propensities."""
    return RatioSums(by_unit(pages, placed.weight * pages.tapped), by_unit(pages, placed.wanted.astype(np.float64)))


def snips(pages: LoggedPages, placed: Placement) -> RatioSums:
    """Return the self-normalised estimate."""
    return RatioSums(by_unit(pages, placed.weight * pages.tapped), by_unit(pages, placed.weight))


def doubly_robust(pages: LoggedPages, placed: Placement, as_shown: Floats, as_wanted: Floats) -> RatioSums:
    """Return the doubly robust estimate.

    Args:
        pages: the log.
        placed: under the other policy.
        as_shown: modelled probability of a tap where each item stood, shape (items,).
        as_wanted: the same where the other policy would have it.
    """
    numerators = placed.wanted * as_wanted + placed.weight * (pages.tapped - as_shown)
    return RatioSums(by_unit(pages, numerators), by_unit(pages, placed.wanted.astype(np.float64)))


def effective_places(placed: Placement) -> float:
    """Return how many places without weights would tell as much."""
    squares = float((placed.weight**2).sum())
    return float(placed.weight.sum()) ** 2 / squares if squares else 0.0


def support(pages: LoggedPages, placed: Placement) -> RatioSums:
    """Return the mean weight: 1 if chance could have brought about every place of the other policy, less if not."""
    return RatioSums(by_unit(pages, placed.weight), by_unit(pages, placed.wanted.astype(np.float64)))


def with_interval(estimate: RatioSums, logged: RatioSums, confidence: float) -> Estimate:
    """Return an estimate with its interval and its difference from what was shown."""
    z = float(stats.norm.ppf((1 + confidence) / 2))
    half = z * estimate.error()
    difference = estimate.value - logged.value
    of_difference = z * standard_error(estimate.influence() - logged.influence())
    return Estimate(
        estimate.value,
        estimate.value - half,
        estimate.value + half,
        difference,
        difference - of_difference,
        difference + of_difference,
    )


def standard_error(influence: Floats) -> float:
    """Return the standard error of a mean of influence values."""
    return float(influence.std(ddof=1) / np.sqrt(len(influence)))
