"""Units that see pages, tap and buy: thousands of experiments at once, as arrays.

A unit has an activity (pages a day), a readiness to tap and one to buy, all drawn once. So its impressions are alike,
as people's are, and what it did before the experiment says something about what it does during it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ruiji_experiments.analysis.ratio import Floats


@dataclass(frozen=True, slots=True)
class Population:
    """How units differ and what they do."""

    pages_per_day: float = 0.25
    """Mean over units, of those pages that follow the first."""
    activity_shape: float = 1.0
    """Of the gamma distribution of activity; small is unequal."""
    page_size: int = 10
    """Impressions a page."""
    ctr: float = 0.06
    """Mean readiness to tap."""
    ctr_concentration: float = 12.0
    """Of the beta distribution over units; small is unequal."""
    cvr: float = 0.12
    """Mean readiness to buy what was tapped."""
    cvr_concentration: float = 30.0
    """Of the beta distribution over units."""


@dataclass(frozen=True, slots=True)
class Days:
    """What units did on each day, shape (experiments, units, days) each, float64."""

    impressions: Floats
    """Items shown."""
    taps: Floats
    """Of them."""
    purchases: Floats
    """Of those."""


@dataclass(frozen=True, slots=True)
class Units:
    """Units before anything happens, shape (experiments, units) each, float64."""

    activity: Floats
    """Pages a day."""
    taps: Floats
    """Readiness to tap without any lift."""
    buys: Floats
    """Readiness to buy without any lift."""


def draw_units(population: Population, experiments: int, units: int, rng: np.random.Generator) -> Units:
    """Draw units for many experiments."""
    shape = (experiments, units)
    return Units(
        rng.gamma(population.activity_shape, population.pages_per_day / population.activity_shape, shape),
        _beta(population.ctr, population.ctr_concentration, shape, rng),
        _beta(population.cvr, population.cvr_concentration, shape, rng),
    )


def live(
    population: Population,
    units: Units,
    days: int,
    rng: np.random.Generator,
    *,
    ctr_lift: float = 0.0,
    cvr_lift: float = 0.0,
    first_day: Floats | None = None,
) -> Days:
    """Let units look, tap and buy.

    Args:
        population: the page size.
        units: who.
        days: how many.
        rng: draws.
        ctr_lift: relative change of everybody's readiness to tap.
        cvr_lift: relative change of everybody's readiness to buy.
        first_day: shape (experiments, units): when each unit is first there, on which day it sees a page for certain.
            By default units come by chance alone, as in a pre-period.
    """
    pages = rng.poisson(np.broadcast_to(units.activity[..., None], (*units.activity.shape, days)))
    if first_day is not None:
        day = np.arange(days)
        pages = np.where(day < first_day[..., None], 0, pages) + (day == first_day[..., None])
    impressions = pages * population.page_size
    taps = rng.binomial(impressions, np.minimum(units.taps * (1 + ctr_lift), 1.0)[..., None])
    purchases = rng.binomial(taps, np.minimum(units.buys * (1 + cvr_lift), 1.0)[..., None])
    return Days(*(array.astype(np.float64) for array in (impressions, taps, purchases)))


def _beta(mean: float, concentration: float, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    return rng.beta(mean * concentration, (1 - mean) * concentration, shape)
