"""One page about how often the statistics are right, from simulations whose truth is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ruiji_evaluation.documents.markdown import markdown_table
from ruiji_evaluation.documents.tables import Table

from ruiji_experiments.analysis.ratio import ratio_estimate
from ruiji_experiments.analysis.sample_size import Plan, units_needed
from ruiji_experiments.errors import NoSupport
from ruiji_experiments.replay.exploration import Exploration
from ruiji_experiments.replay.replaying import ReplaySettings, replay
from ruiji_experiments.replay.target import TargetPolicy
from ruiji_experiments.simulation.clicks import simulate_pages
from ruiji_experiments.simulation.coverage import MetricTrials, Trials, share_with_mismatch, simulate
from ruiji_experiments.simulation.interleaving_tables import interleaving_steps, interleaving_tables
from ruiji_experiments.simulation.population import Population, draw_units, live
from ruiji_experiments.simulation.shares import share_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ruiji_experiments.analysis.ratio import Floats

_POWER = 0.8
_PLANTED = {"ctr": 0.50, "cvr": 0.14}


@dataclass(frozen=True, slots=True)
class CalibrationSettings:
    """How much is simulated."""

    experiments: int = 2000
    """A/A tests, and interleavings of a ranking with itself; of others there are fewer."""
    bootstrapped: int = 400
    """A/A tests with a bootstrap."""
    units_per_arm: int = 1500
    """Of an A/A test."""
    pilot_units: int = 200_000
    """Whose spread says how many units the planted lifts need."""
    replays: int = 40
    """Logs to replay another ranking on."""
    pages_per_replay: int = 20_000
    """Of each."""
    seed: int = 0
    """Of everything."""


def steps_of(settings: CalibrationSettings) -> int:
    """Return how many steps `calibration_page` will tell of."""
    planted = 2 * _planted_experiments(settings)
    return settings.experiments + planted + settings.replays + interleaving_steps(settings.experiments)


def calibration_page(settings: CalibrationSettings, progress: Callable[[int], None]) -> str:
    """Simulate, and write the page in Markdown."""
    tables = [
        _coverage(settings, progress),
        *_powers(settings, progress),
        _assignment(settings),
        _replays(settings, progress),
        *interleaving_tables(settings.experiments, settings.pilot_units // 10, settings.seed, progress),
    ]
    head = (
        "# Calibration\n\nHow often the statistics of experiments are right, where the truth is known. Made by `ruiji "
        f"experiment calibrate --experiments {settings.experiments} --bootstrapped {settings.bootstrapped} --seed "
        f"{settings.seed}`; intervals claim 95 %. In brackets: what chance in the simulation leaves open (exact 95 % "
        "intervals)."
    )
    return "\n\n".join([head, *(markdown_table(table) for table in tables)]) + "\n"


def _coverage(settings: CalibrationSettings, progress: Callable[[int], None]) -> Table:
    trials = Trials(
        experiments=settings.experiments,
        units_per_arm=settings.units_per_arm,
        bootstrapped=settings.bootstrapped,
        seed=settings.seed,
    )
    found = simulate(trials, progress)
    kept = {metric: float(one.variance_kept.mean()) for metric, one in found.items()}
    return Table(
        "A/A tests",
        f"{settings.experiments:,} experiments of {trials.units_per_arm:,} units in each variant over {trials.days} "
        "days, units coming on any day and coming back, and nothing to find. Coverage: how often the interval held 0. "
        '"Every evening": at all looks of one experiment. The adjustment by the pre-period kept '
        f"{kept['ctr']:.0%} of the variance of CTR and {kept['cvr']:.0%} of that of CVR.",
        ("intervals", "coverage, CTR", "coverage, CVR"),
        tuple(
            (method, share_text(found["ctr"].covered[method]), share_text(found["cvr"].covered[method]))
            for method in found["ctr"].covered
        ),
    )


def _powers(settings: CalibrationSettings, progress: Callable[[int], None]) -> list[Table]:
    tables = []
    for metric, planted in _PLANTED.items():
        units = _units_for(metric, planted, settings)
        trials = Trials(
            experiments=_planted_experiments(settings),
            units_per_arm=units,
            ctr_lift=_PLANTED["ctr"],
            cvr_lift=_PLANTED["cvr"],
            seed=settings.seed + 1,
        )
        found = simulate(trials, progress)[metric]
        tables.append(_power(metric, planted, trials, found))
    return tables


def _power(metric: str, planted: float, trials: Trials, found: MetricTrials) -> Table:
    return Table(
        f"A planted {planted:+.0%} of {metric.upper()}",
        f"{trials.experiments:,} experiments of {trials.units_per_arm:,} units in each variant, which is what `ruiji "
        f"experiment size` asks for at {_POWER:.0%} power. CTR rises by 50 % and CVR by 14 % in the variant. Both "
        '"every evening" rows stop on the first evening on which 0 is outside; the first of them is not allowed to.',
        ("method", "found", "interval holds the truth"),
        tuple((method, share_text(found.found[method]), share_text(found.covered[method])) for method in found.found),
    )


def _units_for(metric: str, planted: float, settings: CalibrationSettings) -> int:
    """Plan from one pilot of units without any lift."""
    rng = np.random.default_rng([settings.seed, 99])
    pilot = draw_units(Population(), 1, settings.pilot_units, rng)
    days = Trials().days
    lived = live(
        Population(), pilot, days, rng, first_day=rng.integers(days, size=pilot.activity.shape).astype(np.float64)
    )
    sums: tuple[Floats, Floats] = (lived.taps, lived.impressions) if metric == "ctr" else (lived.purchases, lived.taps)
    estimate = ratio_estimate(*(values.sum(axis=-1)[0] for values in sums))
    deviation = math.sqrt(float(estimate.log_variance) * estimate.units)
    return units_needed(Plan(deviation, planted, _POWER))[0]


def _assignment(settings: CalibrationSettings) -> Table:
    units, experiments = 2 * settings.units_per_arm, 10_000
    rows = tuple(
        (
            f"{share:.0%} instead of 50 %" if share != 0.5 else "as planned",
            f"{share_with_mismatch(share, units, experiments, settings.seed):.2%}",
        )
        for share in (0.5, 0.52, 0.55, 0.6)
    )
    return Table(
        "Broken assignment",
        f"How often the sample-ratio check objects (p < 0.001) to {units:,} units of which a share is in the variant; "
        f"{experiments:,} experiments each.",
        ("share in the variant", "objected"),
        rows,
    )


def _replays(settings: CalibrationSettings, progress: Callable[[int], None]) -> Table:
    rng = np.random.default_rng([settings.seed, 7])
    target_policy, exploration = TargetPolicy(category_weight=0.3), Exploration(0.1, 10)
    errors: dict[str, list[float]] = {}
    covered: dict[str, list[bool]] = {}
    truths, logged, effective, refused = [], [], [], 0
    for _ in range(settings.replays):
        drawn = simulate_pages(settings.pages_per_replay, exploration, rng)
        target = target_policy.positions(drawn.logged)
        truth = drawn.true_ctr(target, 5)
        try:
            found = replay(drawn.logged, target, ReplaySettings())
        except NoSupport:
            refused += 1
        else:
            truths.append(truth)
            logged.append(found.logged.value)
            effective.append(found.effective_places)
            for name, one in found.estimates.items():
                errors.setdefault(name, []).append(one.value / truth - 1)
                covered.setdefault(name, []).append(one.low <= truth <= one.high)
        progress(1)
    naive = float(np.mean(np.array(logged) / np.array(truths) - 1))
    return Table(
        "Replay",
        f"{settings.replays} logs of {settings.pages_per_replay:,} pages of 10 items, {exploration.share:.0%} of them "
        "shuffled; the CTR of the first 5 positions under a category weight of 0.3 instead of 0. The truth is "
        f"{np.mean(truths):.2%}, the log's own CTR {np.mean(logged):.2%} ({naive:+.1%}). "
        f"{5 * settings.pages_per_replay:,} places tell as much as {np.mean(effective):,.0f} without "
        f"weights. Refused: {refused}.",
        ("estimate", "mean error", "standard deviation of the error", "interval holds the truth"),
        tuple(
            (name, f"{np.mean(found):+.1%}", f"{np.std(found):.1%}", share_text(np.array(covered[name])))
            for name, found in errors.items()
        ),
    )


def _planted_experiments(settings: CalibrationSettings) -> int:
    return max(settings.experiments // 4, 20)
