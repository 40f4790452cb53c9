"""How often intervals hold the truth and tests find it, over thousands of simulated experiments.

Each experiment has a pre-period and days on which units come and come back. Everybody who looks does so every evening.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ruiji_experiments.analysis.assignment_check import MISMATCH_BELOW
from ruiji_experiments.analysis.bootstrap import bootstrap_lift
from ruiji_experiments.analysis.cuped import adjusted_lift, pre_period_covariate
from ruiji_experiments.analysis.lifts import LEAST_EVENTS
from ruiji_experiments.analysis.ratio import Floats, lift, ratio_estimate
from ruiji_experiments.analysis.sequential import always_valid_half_width
from ruiji_experiments.simulation.population import Population, draw_units, live

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ruiji_experiments.analysis.cuped import AdjustedLift
    from ruiji_experiments.analysis.ratio import RatioEstimate
    from ruiji_experiments.simulation.population import Days

Truths = NDArray[np.bool_]

_METRICS = {"ctr": ("taps", "impressions"), "cvr": ("purchases", "taps")}

_CHUNK = 50
"""Experiments held in memory at once."""


@dataclass(frozen=True, slots=True)
class Trials:
    """What is simulated, again and again."""

    experiments: int = 2000
    """How often."""
    units_per_arm: int = 2000
    """Units."""
    days: int = 14
    """Each with a look in the evening."""
    pre_days: int = 14
    """Before."""
    ctr_lift: float = 0.0
    """Planted."""
    cvr_lift: float = 0.0
    """Planted."""
    expected_lift: float = 0.2
    """Of the always-valid intervals."""
    confidence: float = 0.95
    """Of intervals."""
    bootstrapped: int = 0
    """Of so many of the experiments the bootstrap's interval is computed too; it is slow."""
    resamples: int = 1000
    """Of each bootstrap."""
    population: Population = field(default_factory=Population)
    """Who."""
    seed: int = 0
    """The same seed gives the same figures."""


@dataclass(frozen=True, slots=True)
class MetricTrials:
    """One metric in every experiment, shape (experiments,) each."""

    covered: Mapping[str, Truths]
    """By method: whether the interval held the truth. `always valid, every evening`: at all looks."""
    found: Mapping[str, Truths]
    """By method: whether no lift was ruled out, at the end or, for the peeking methods, on any evening."""
    variance_kept: Floats
    """By the pre-period."""


@dataclass(frozen=True, slots=True)
class _Arm:
    """A ratio's numerators and denominators in one variant, shape (experiments, units, days) each."""

    before: tuple[Floats, Floats]
    during: tuple[Floats, Floats]


def simulate(trials: Trials, progress: Callable[[int], None] = lambda _steps: None) -> dict[str, MetricTrials]:
    """Run the experiments; return what became of `ctr` and `cvr`.

    Args:
        trials: what to simulate.
        progress: told of experiments done.
    """
    rng = np.random.default_rng(trials.seed)
    parts: dict[str, list[MetricTrials]] = {metric: [] for metric in _METRICS}
    for start in range(0, trials.experiments, _CHUNK):
        count = min(_CHUNK, trials.experiments - start)
        arms = [_arm(trials, count, rng, lifted=lifted) for lifted in (False, True)]
        bootstrapped = min(max(trials.bootstrapped - start, 0), count)
        for metric, (numerator, denominator) in _METRICS.items():
            truth = trials.ctr_lift if metric == "ctr" else trials.cvr_lift
            control, variant = (
                _Arm(*((getattr(days, numerator), getattr(days, denominator)) for days in periods)) for periods in arms
            )
            parts[metric].append(_judge(trials, control, variant, truth, bootstrapped, rng))
        progress(count)
    return {metric: _joined(found) for metric, found in parts.items()}


def share_with_mismatch(share: float, units: int, experiments: int, seed: int) -> float:
    """Return how often the assignment check objects when each unit is in the variant with a probability of `share`.

    Args:
        share: 0.5 is what was planned.
        units: of both variants.
        experiments: how many.
        seed: of the draws.
    """
    variant = np.random.default_rng(seed).binomial(units, share, experiments)
    observed = np.stack([units - variant, variant])
    return float((stats.chisquare(observed, axis=0).pvalue < MISMATCH_BELOW).mean())


def _arm(trials: Trials, count: int, rng: np.random.Generator, *, lifted: bool) -> tuple[Days, Days]:
    population = trials.population
    units = draw_units(population, count, trials.units_per_arm, rng)
    first_day = rng.integers(trials.days, size=(count, trials.units_per_arm)).astype(np.float64)
    lifts = {"ctr_lift": trials.ctr_lift, "cvr_lift": trials.cvr_lift} if lifted else {}
    past = live(population, units, trials.pre_days, rng)
    return past, live(population, units, trials.days, rng, first_day=first_day, **lifts)


def _judge(
    trials: Trials, control: _Arm, variant: _Arm, truth: float, bootstrapped: int, rng: np.random.Generator
) -> MetricTrials:
    estimates = (ratio_estimate(*_whole(control.during)), ratio_estimate(*_whole(variant.during)))
    adjusted = _adjusted(estimates, control, variant)
    covered, found = {}, {}
    for method, one in (("delta method", lift(*estimates)), ("CUPED", adjusted.lift)):
        covered[method], found[method] = _judged(one.interval(trials.confidence), truth)
    for method, always_valid in (("delta method, every evening", False), ("always valid, every evening", True)):
        covered[method], found[method] = _every_evening(trials, control, variant, truth, always_valid=always_valid)
    if bootstrapped:
        bounds = [_bootstrap(trials, control, variant, row, rng) for row in range(bootstrapped)]
        covered["bootstrap"], found["bootstrap"] = _judged(np.transpose(bounds), truth)
    return MetricTrials(covered, found, adjusted.variance_kept)


def _judged(bounds: Sequence[Floats] | Floats, truth: float) -> tuple[Truths, Truths]:
    low, high = bounds
    return (low <= truth) & (truth <= high), (low > 0) | (high < 0)


def _every_evening(
    trials: Trials, control: _Arm, variant: _Arm, truth: float, *, always_valid: bool
) -> tuple[Truths, Truths]:
    covered = np.ones(len(control.during[0]), bool)
    found = np.zeros_like(covered)
    mixture = math.log1p(trials.expected_lift)
    for evening in range(1, trials.days + 1):
        sides = [_whole(arm.during, evening) for arm in (control, variant)]
        enough = np.min([numerators.sum(axis=-1) for numerators, _ in sides], axis=0) >= LEAST_EVENTS
        if not enough.any():
            continue
        # Units that have not come yet have zeros, which change neither a ratio nor the variance of its estimate.
        now = lift(*(ratio_estimate(*side) for side in sides))
        bounds = now.interval(trials.confidence)
        if always_valid:
            half = always_valid_half_width(now.variance, mixture, trials.confidence)
            bounds = (np.expm1(now.log_lift - half), np.expm1(now.log_lift + half))
        holds, finds = _judged(bounds, truth)
        covered &= holds | ~enough
        found |= finds & enough
    return covered, found


def _whole(sums: tuple[Floats, Floats], days: int | None = None) -> tuple[Floats, Floats]:
    numerators, denominators = (values[..., :days].sum(axis=-1) for values in sums)
    return numerators, denominators


def _adjusted(estimates: tuple[RatioEstimate, RatioEstimate], control: _Arm, variant: _Arm) -> AdjustedLift:
    sides = zip(_whole(control.before), _whole(variant.before), strict=True)
    covariate = pre_period_covariate(*(np.concatenate(side, axis=-1) for side in sides))
    units = estimates[0].units
    return adjusted_lift(*estimates, covariate[..., :units], covariate[..., units:])


def _bootstrap(trials: Trials, control: _Arm, variant: _Arm, row: int, rng: np.random.Generator) -> tuple[float, float]:
    sides = [_whole(arm.during) for arm in (control, variant)]
    one, other = ((numerators[row], denominators[row]) for numerators, denominators in sides)
    return bootstrap_lift(one, other, confidence=trials.confidence, resamples=trials.resamples, rng=rng)


def _joined(parts: list[MetricTrials]) -> MetricTrials:
    def together(name: str) -> dict[str, Truths]:
        methods = getattr(parts[0], name)
        return {
            method: np.concatenate([getattr(part, name)[method] for part in parts if method in getattr(part, name)])
            for method in methods
        }

    return MetricTrials(together("covered"), together("found"), np.concatenate([part.variance_kept for part in parts]))
