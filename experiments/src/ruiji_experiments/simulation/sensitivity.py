"""How often an A/B test and an interleaved experiment find the difference between two rankings, and with how many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ruiji_experiments.analysis.ratio import lift, ratio_estimate
from ruiji_experiments.analysis.sample_size import Plan, units_needed
from ruiji_experiments.interleaving.credit import Votes, preference, unit_credits, votes_of
from ruiji_experiments.interleaving.sample_size import InterleavedPlan, interleaved_units_needed
from ruiji_experiments.interleaving.team_draft import draft_coins, team_draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ruiji_experiments.analysis.ratio import Floats, Lift, RatioEstimate
    from ruiji_experiments.simulation.contests import World

_SURE = 0.05
"""A difference is found if the p-value is below."""


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


@dataclass(frozen=True, slots=True)
class Effort:
    """What a way of asking needs to find a difference."""

    seen: float
    """The difference as the pilot saw it: the relative lift of CTR of an A/B test, the preference of a team draft."""
    units: int
    """As planned from the pilot."""
    impressions: int
    """Items that these units are shown."""
    right: NDArray[np.bool_]
    """By simulated experiment of that size: whether it found the better ranking."""


def sensitivity(world: World, units: int, experiments: int, rng: np.random.Generator) -> Sensitivity:
    """Simulate experiments of `units` units in both ways."""
    found = np.zeros((experiments, 2), bool)
    right = np.zeros((experiments, 2), bool)
    for number in range(experiments):
        compared = ab_test(world, units, rng)
        judged = preference(interleaved_votes(world, units, rng))
        found[number] = float(compared.p_value()) < _SURE, judged.p_value < _SURE
        right[number] = found[number] & (float(compared.log_lift) > 0, judged.preference > 0)
    shares, rights = found.mean(axis=0), right.mean(axis=0)
    return Sensitivity(float(shares[0]), float(shares[1]), float(rights[0]), float(rights[1]))


def efforts(
    world: World,
    experiments: int,
    rng: np.random.Generator,
    *,
    pilot_units: int = 10_000,
    power: float = 0.8,
    progress: Callable[[int], None] = lambda _experiments: None,
) -> tuple[Effort, Effort]:
    """Plan both ways of asking from one large pilot each, and try the plans.

    Args:
        world: who is asked, and about what.
        experiments: to try each plan with.
        rng: draws.
        pilot_units: of each pilot.
        power: that is planned for.
        progress: told of experiments that are done, of both kinds together.

    Returns:
        Of an A/B test and of an interleaved experiment.
    """
    arms = _ab_arms(world, pilot_units, rng)
    control, found = arms[0], lift(*arms)
    deviation, lifted = math.sqrt(float(control.log_variance) * control.units), float(found.relative)
    ab_units = sum(units_needed(Plan(deviation, lifted, power)))
    votes = interleaved_votes(world, pilot_units, rng)
    preferred = preference(votes).preference
    plan = InterleavedPlan(preferred, votes.decided / votes.units, power)
    drafted_units = interleaved_units_needed(plan)
    right = np.zeros((2, experiments), bool)
    for number in range(experiments):
        compared = ab_test(world, ab_units, rng)
        right[0, number] = float(compared.p_value()) < _SURE and float(compared.log_lift) > 0
        judged = preference(interleaved_votes(world, drafted_units, rng))
        right[1, number] = judged.p_value < _SURE and judged.preference > 0
        progress(1)
    shown = world.pages_per_unit * world.length
    return (
        Effort(lifted, ab_units, ab_units * shown, right[0]),
        Effort(preferred, drafted_units, drafted_units * shown, right[1]),
    )


def ab_test(world: World, units: int, rng: np.random.Generator) -> Lift:
    """Let half of the units see pages of the first ranking and half those of the second; compare CTR."""
    return lift(*_ab_arms(world, units, rng))


def interleaved_votes(world: World, units: int, rng: np.random.Generator) -> Votes:
    """Let all units see pages that are drawn from both rankings; count what they decided."""
    drawn = world.draw(units, rng)
    salt = str(rng.integers(2**63))
    order, teams = [], []
    for page, both in enumerate(zip(drawn.first.tolist(), drawn.second.tolist(), strict=True)):
        picks = team_draft(*both, world.length, draft_coins(salt, str(page)))
        order.append([both[pick.ranking][pick.place] for pick in picks])
        teams.append([pick.team for pick in picks])
    tapped = _tap(world, np.take_along_axis(drawn.attraction, np.array(order), axis=1), rng)
    return votes_of(
        *unit_credits(np.repeat(drawn.unit, world.length), np.array(teams, np.int8).ravel(), tapped.ravel())
    )


def _ab_arms(world: World, units: int, rng: np.random.Generator) -> tuple[RatioEstimate, RatioEstimate]:
    drawn = world.draw(units, rng)
    sees_second = (drawn.unit % 2 == 1)[:, None]
    order = np.where(sees_second, drawn.second, drawn.first)[:, : world.length]
    taps = _tap(world, np.take_along_axis(drawn.attraction, order, axis=1), rng).sum(axis=1)
    by_unit = np.bincount(drawn.unit, weights=taps).astype(np.float64)
    shown = np.bincount(drawn.unit).astype(np.float64) * world.length
    first, second = (ratio_estimate(by_unit[arm::2], shown[arm::2]) for arm in (0, 1))
    return first, second


def _tap(world: World, attraction: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    looked = 1 / np.arange(1, attraction.shape[1] + 1) ** world.bias
    return rng.random(attraction.shape) < attraction * looked
