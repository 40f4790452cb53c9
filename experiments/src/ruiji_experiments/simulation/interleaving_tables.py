"""How often interleaved experiments are right, and how much sooner than A/B tests, as tables of the calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from ruiji_evaluation.documents.tables import Table

from ruiji_experiments.interleaving.credit import preference
from ruiji_experiments.interleaving.resampling import bootstrap_preference
from ruiji_experiments.simulation.contests import ClickWorld, ShopperWorld
from ruiji_experiments.simulation.sensitivity import efforts, interleaved_votes, sensitivity
from ruiji_experiments.simulation.shares import share_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ruiji_experiments.simulation.contests import World
    from ruiji_experiments.simulation.coverage import Truths

_POWER: Final = 0.8
_RESAMPLES: Final = 2_000
_COMPARED_UNITS: Final = (75, 150, 300)
_NOTHING: Final[Mapping[str, World]] = {
    "law of taps": ClickWorld(category_weight=0.0),
    "shoppers": ShopperWorld(kind_weight=0.0),
}
_PLANTED: Final[Mapping[str, World]] = {
    "law of taps, category weight 0.3": ClickWorld(),
    "law of taps, category weight 0.1": ClickWorld(category_weight=0.1),
    "shoppers, who look for the kind": ShopperWorld(),
}


def interleaving_steps(experiments: int) -> int:
    """Return how many steps `interleaving_tables` will tell of."""
    return (
        len(_COMPARED_UNITS)
        + sum(_trials(world, experiments) for world in _NOTHING.values())
        + sum(_trials(world, experiments // 4) for world in _PLANTED.values())
    )


def interleaving_tables(experiments: int, pilot_units: int, seed: int, progress: Callable[[int], None]) -> list[Table]:
    """Simulate.

    Args:
        experiments: of a ranking with itself; the others are fewer.
        pilot_units: whose spread says how many units the planted differences need.
        seed: of everything.
        progress: told of steps that are done.
    """
    return [
        _same_units(experiments, seed, progress),
        _nothing_to_find(experiments, seed, progress),
        _efforts(experiments // 4, pilot_units, seed, progress),
    ]


def _same_units(experiments: int, seed: int, progress: Callable[[int], None]) -> Table:
    world, tried, rows = ClickWorld(), max(experiments // 10, 20), []
    for units in _COMPARED_UNITS:
        found = sensitivity(world, units, tried, np.random.default_rng([seed, units]))
        rows.append((f"{units}", f"{found.ab_test_right:.0%}", f"{found.interleaving_right:.0%}"))
        progress(1)
    return Table(
        "Interleaving",
        f"How often p < 0.05 for the better of two rankings (category weight {world.category_weight} against 0) with "
        f"the same units, {world.pages_per_unit} pages of {world.length} items each; {tried:,} experiments.",
        ("units", "A/B test", "team draft"),
        tuple(rows),
    )


def _nothing_to_find(experiments: int, seed: int, progress: Callable[[int], None], units: int = 300) -> Table:
    rows = []
    for name, world in _NOTHING.items():
        rng = np.random.default_rng([seed, 11])
        found: list[tuple[bool, bool, bool, bool]] = []
        for _ in range(_trials(world, experiments)):
            votes = interleaved_votes(world, units, rng)
            judged = preference(votes)
            resampled = bootstrap_preference(votes, confidence=0.95, resamples=_RESAMPLES, rng=rng) or (0.0, 0.0)
            found.append(
                (
                    judged.p_value < 0.05,
                    judged.low <= 0 <= judged.high,
                    judged.delta_low <= 0 <= judged.delta_high,
                    resampled[0] <= 0 <= resampled[1],
                )
            )
            progress(1)
        columns: list[Truths] = list(np.array(found).T)
        rows.append((name, f"{len(found):,}", *map(share_text, columns)))
    return Table(
        "Interleaving a ranking with itself",
        f"Experiments of {units} units with nothing to find: how often the sign test found something (p < 0.05), and "
        "how often the intervals held 0. The sign test is exact, so it errs to the safe side.",
        ("world", "experiments", "found", "preference holds 0", "Delta holds 0", "bootstrap holds 0"),
        tuple(rows),
    )


def _efforts(experiments: int, pilot_units: int, seed: int, progress: Callable[[int], None]) -> Table:
    rows = []
    for name, world in _PLANTED.items():
        rng = np.random.default_rng([seed, 12])
        tried = _trials(world, experiments)
        both = efforts(world, tried, rng, pilot_units=_fewer(world, pilot_units), power=_POWER, progress=progress)
        less = both[0].impressions / both[1].impressions
        seen = (f"{both[0].seen:+.1%} CTR", f"preference {both[1].seen:+.2f}")
        rows += [
            (name, way, sees, f"{one.units:,}", f"{one.impressions:,}", that_is, share_text(one.right))
            for way, sees, one, that_is in zip(
                ("A/B test", "team draft"), seen, both, ("", f"{less:.1f} times fewer"), strict=True
            )
        ]
    return Table(
        "Impressions to find the better ranking",
        f"Both ways of asking, planned from a pilot for {_POWER:.0%} power (`ruiji experiment size`) and then tried. "
        "What is planted is one difference, as either way sees it.",
        ("world", "way", "sees", "units", "impressions", "that is", "found the better"),
        tuple(rows),
    )


def _trials(world: World, experiments: int) -> int:
    return max(_fewer(world, experiments), 3)


def _fewer(world: World, number: int) -> int:
    """Return how much of something a world is given; shoppers take ten times as long as a law."""
    return number // 5 if isinstance(world, ShopperWorld) else number
