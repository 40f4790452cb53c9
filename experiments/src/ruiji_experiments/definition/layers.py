"""Experiments beside each other: which buckets of its layer each has, and what two of them must not share.

A layer divides units into 10,000 buckets. An experiment is given as many as its largest traffic share, wherever they
are free while it runs, and keeps them: who is in it does not depend on what is put or ends beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ruiji_experiments.definition.errors import Conflict, ConflictError
from ruiji_experiments.definition.model import WHOLE_BP, Experiment

BUCKETS: Final = WHOLE_BP
"""Of a layer."""


@dataclass(frozen=True, slots=True)
class BucketRange:
    """Buckets from `begin` on, without `end`."""

    begin: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.begin < self.end <= BUCKETS:
            raise ValueError(f"{self.begin} to {self.end} is no range of buckets")

    def __len__(self) -> int:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class PlacedExperiment:
    """An experiment with its buckets."""

    experiment: Experiment
    ranges: tuple[BucketRange, ...]
    """In the order in which a growing traffic share takes them up; none overlaps another."""

    def __post_init__(self) -> None:
        if sum(map(len, self.ranges)) != self.experiment.largest_traffic_bp:
            raise ValueError(f"experiment {self.experiment.name} has not the buckets that it needs")


def place(
    experiment: Experiment, others: Iterable[PlacedExperiment], before: PlacedExperiment | None = None
) -> PlacedExperiment:
    """Give an experiment its buckets.

    Args:
        experiment: the new or changed one.
        others: all other experiments.
        before: how it was placed until now; what it had it keeps, as far as it needs it and it is still free.

    Raises:
        ConflictError: too few buckets are free while it runs, or it shares with an experiment that runs at the same
            time a parameter or the interleaving across layers, or a salt.
    """
    beside = [other for other in others if other.experiment.overlaps(experiment)]
    for other in beside:
        _check_pair(experiment, other.experiment)
    taken = _buckets_of(other for other in beside if other.experiment.layer == experiment.layer)
    own = [] if before is None or before.experiment.layer != experiment.layer else _in_order(before.ranges)
    kept = [bucket for bucket in own if bucket not in taken]
    free = kept + sorted(set(range(BUCKETS)) - taken - set(kept))
    needed = experiment.largest_traffic_bp
    if len(free) < needed:
        rivals = ", ".join(
            f"{other.experiment.name} ({other.experiment.largest_traffic_bp / WHOLE_BP:.2%})"
            for other in beside
            if other.experiment.layer == experiment.layer
        )
        raise ConflictError(
            Conflict.LAYER_FULL,
            f"layer {experiment.layer!r} has {len(free) / WHOLE_BP:.2%} of its units left while {experiment.name!r} "
            f"runs, which wants {needed / WHOLE_BP:.2%}; the others then are {rivals}. Take less traffic, another "
            "time, or another layer",
            field="traffic_bp",
        )
    return PlacedExperiment(experiment, _ranges(free[:needed]))


def _check_pair(experiment: Experiment, other: Experiment) -> None:
    if experiment.salt == other.salt:
        raise ConflictError(
            Conflict.SALT_TAKEN,
            f"experiment {other.name!r}, which runs at the same time, has the salt {other.salt!r}: both would divide "
            "units in the same way, and neither could tell its own effect",
            field="salt",
        )
    if experiment.layer != other.layer and experiment.interleaved and other.interleaved:
        raise ConflictError(
            Conflict.INTERLEAVING_TAKEN,
            f"experiment {other.name!r} of layer {other.layer!r} is interleaved at the same time, and one page cannot "
            "be drawn from the variants of both; interleaved experiments belong into one layer",
            field="interleaved",
        )
    shared = experiment.parameters & other.parameters
    if experiment.layer != other.layer and shared:
        raise ConflictError(
            Conflict.PARAMETER_TAKEN,
            f"{', '.join(sorted(shared))} is set by experiment {other.name!r} of layer {other.layer!r} at the same "
            "time; experiments that set the same belong into one layer",
            field="layer",
        )


def _buckets_of(experiments: Iterable[PlacedExperiment]) -> set[int]:
    return {bucket for placed in experiments for bucket in _in_order(placed.ranges)}


def _in_order(ranges: Iterable[BucketRange]) -> list[int]:
    return [bucket for one in ranges for bucket in range(one.begin, one.end)]


def _ranges(buckets: Sequence[int]) -> tuple[BucketRange, ...]:
    """Return the ranges of buckets, in their order."""
    ranges: list[BucketRange] = []
    for bucket in buckets:
        if ranges and ranges[-1].end == bucket:
            ranges[-1] = BucketRange(ranges[-1].begin, bucket + 1)
        else:
            ranges.append(BucketRange(bucket, bucket + 1))
    return tuple(ranges)
