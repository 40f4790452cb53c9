"""How often an A/B test and an interleaved comparison of as many units find the difference between two rankings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ruiji_experiments.analysis.ratio import Floats, lift, ratio_estimate
from ruiji_experiments.interleaving.credit import Preference, preference
from ruiji_experiments.interleaving.team_draft import team_draft
from ruiji_experiments.simulation.clicks import ClickModel


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is compared, again and again."""

    units: int = 300
    """Of each experiment, in both ways of asking."""
    pages_per_unit: int = 2
    """Each unit sees."""
    candidates: int = 20
    """Items that both rankings order."""
    length: int = 10
    """Of a page."""
    category_weight: float = 0.3
    """Of the second ranking; the first has 0. With 0 there is nothing to find."""
    model: ClickModel = field(default_factory=ClickModel)
    """How people tap."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Shares of experiments that found a difference (p < 0.05), and how often they said which ranking is better."""

    ab_test: float
    """Half of the units see either ranking."""
    interleaving: float
    """All units see pages of both."""
    ab_test_right: float
    """Found it, and in favour of the second."""
    interleaving_right: float
    """The same."""


def sensitivity(comparison: Comparison, experiments: int, rng: np.random.Generator) -> Sensitivity:
    """Simulate experiments in both ways."""
    found = np.zeros((experiments, 2), bool)
    right = np.zeros((experiments, 2), bool)
    for number in range(experiments):
        p_value, sign = _ab_test(comparison, rng)
        found[number, 0], right[number, 0] = p_value < 0.05, p_value < 0.05 and sign > 0
        judged = _interleaved(comparison, rng)
        found[number, 1] = judged.p_value < 0.05
        right[number, 1] = judged.p_value < 0.05 and judged.preference > 0
    shares, rights = found.mean(axis=0), right.mean(axis=0)
    return Sensitivity(float(shares[0]), float(shares[1]), float(rights[0]), float(rights[1]))


def _draw(comparison: Comparison, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Return attraction and both rankings of every page, shape (pages, candidates) each."""
    model = comparison.model
    shape = (comparison.units * comparison.pages_per_unit, comparison.candidates)
    cosine = rng.uniform(0.2, 0.95, shape)
    category = rng.choice([0.0, 0.5, 1.0], shape, p=[0.3, 0.4, 0.3])
    logit = model.constant + model.of_cosine * cosine + model.of_category * category + rng.normal(0, model.noise, shape)
    weight = comparison.category_weight
    second = (1 - weight) * cosine + weight * category
    return 1 / (1 + np.exp(-logit)), np.argsort(-cosine, axis=1), np.argsort(-second, axis=1)


def _tap(comparison: Comparison, attraction: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    looked = 1 / np.arange(1, attraction.shape[1] + 1) ** comparison.model.bias
    return rng.random(attraction.shape) < attraction * looked


def _ab_test(comparison: Comparison, rng: np.random.Generator) -> tuple[float, float]:
    attraction, first, second = _draw(comparison, rng)
    unit = np.repeat(np.arange(comparison.units), comparison.pages_per_unit)
    order = np.where((unit % 2 == 1)[:, None], second, first)[:, : comparison.length]
    taps = _tap(comparison, np.take_along_axis(attraction, order, axis=1), rng).sum(axis=1)
    by_unit = np.bincount(unit, weights=taps).astype(np.float64)
    shown = np.full(comparison.units, float(comparison.pages_per_unit * comparison.length))
    arms = [ratio_estimate(by_unit[arm::2], shown[arm::2]) for arm in (0, 1)]
    compared = lift(*arms)
    return float(compared.p_value()), float(compared.log_lift)


def _interleaved(comparison: Comparison, rng: np.random.Generator) -> Preference:
    attraction, first, second = _draw(comparison, rng)
    pages = [team_draft(one, other, comparison.length, rng) for one, other in zip(first, second, strict=True)]
    order = np.stack([page.items for page in pages])
    tapped = _tap(comparison, np.take_along_axis(attraction, order, axis=1), rng)
    unit = np.repeat(np.arange(comparison.units), comparison.pages_per_unit * comparison.length)
    return preference(unit, np.concatenate([page.teams for page in pages]), tapped.ravel())
