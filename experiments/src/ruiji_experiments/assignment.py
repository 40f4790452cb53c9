"""Which variant a unit gets: always the same one, with nothing to remember.

A unit's keyed hash is hashed again, twice:

    bucket(salt, unit) = first 8 bytes of BLAKE2b(salt + "/" + unit), big-endian, mod 10,000

With the layer's salt the bucket says which of the layer's experiments the unit is in, if any; with the experiment's own
it says which variant. The two are independent, and so are those of any two layers or experiments. A bucket is a basis
point of the units. An experiment of traffic share t takes the first t of the buckets that it was given, so that a
growing share keeps who is in, in the same variant.

Fair hashing of this kind is that of Tang et al., Overlapping Experiment Infrastructure: More, Better, Faster
Experimentation (KDD 2010).
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Final

from ruiji_experiments.definition.layers import BUCKETS, PlacedExperiment
from ruiji_experiments.definition.model import Experiment, Target, Variant

_HASH_BYTES: Final = 8
_LAYER_SALT: Final = "layer:"
"""No experiment's salt has a colon, so none is a layer's."""


def bucket(salt: str, unit: str) -> int:
    """Return the bucket of a unit, 0 to 9,999.

    Args:
        salt: what divides units.
        unit: a unit's keyed hash; see `ruiji_events.units`.
    """
    digest = hashlib.blake2b(f"{salt}/{unit}".encode()).digest()
    return int.from_bytes(digest[:_HASH_BYTES]) % BUCKETS


@dataclass(frozen=True, slots=True)
class Asker:
    """What of a request decides whether it takes part."""

    unit: str
    """The keyed hash of who asks."""
    category_path: tuple[str, ...] | None = None
    """The query's, root to leaf; None if it has none."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The request's targeting."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """An experiment that a request takes part in."""

    experiment: Experiment
    variant: Variant | None
    """Which the unit gets; None in an interleaved experiment, whose units get both in one page."""


class Assigner:
    """Assigns units to the variants of experiments. Immutable, safe to share between threads."""

    def __init__(self, experiments: Iterable[PlacedExperiment]) -> None:
        """Prepare to assign.

        Args:
            experiments: all that there are; those of one layer that run at the same time have different buckets.
        """
        layers: dict[str, list[_Running]] = defaultdict(list)
        for placed in experiments:
            layers[placed.experiment.layer].append(_Running(placed))
        self._layers = {f"{_LAYER_SALT}{name}": running for name, running in sorted(layers.items())}

    def assign(self, asker: Asker, now: datetime) -> list[Assignment]:
        """Return the experiments that a request takes part in, at most one of each layer, ordered by layer."""
        assignments = []
        for salt, experiments in self._layers.items():
            layer_bucket = bucket(salt, asker.unit)
            for running in experiments:
                # The layer's others have other buckets, or another time; none of them takes who is not targeted.
                if running.has(layer_bucket, now):
                    if targets(running.experiment.target, asker):
                        assignments.append(Assignment(running.experiment, running.variant_of(asker.unit)))
                    break
        return assignments


def targets(target: Target, asker: Asker) -> bool:
    """Return whether an experiment's target has a request in it."""
    path = asker.category_path or ()
    if target.categories and not any(path[: len(beginning)] == beginning for beginning in target.categories):
        return False
    return all(asker.attributes.get(name) in values for name, values in target.attributes)


class _Running:
    """An experiment, prepared for many questions."""

    def __init__(self, placed: PlacedExperiment) -> None:
        self.experiment = placed.experiment
        ranks = accumulate((len(taken) for taken in placed.ranges), initial=0)
        # With the rank of each range's first bucket in the order in which traffic takes them up.
        self._ranges = [(taken.begin, taken.end, rank) for taken, rank in zip(placed.ranges, ranks, strict=False)]
        self._variant_ends = list(accumulate(variant.share_bp for variant in self.experiment.variants))

    def has(self, layer_bucket: int, now: datetime) -> bool:
        if not self.experiment.runs_at(now):
            return False
        traffic_bp = self.experiment.traffic_bp_at(now)
        return any(begin <= layer_bucket < min(end, begin + traffic_bp - rank) for begin, end, rank in self._ranges)

    def variant_of(self, unit: str) -> Variant | None:
        if self.experiment.interleaved:
            return None
        own = bucket(self.experiment.salt, unit)
        return self.experiment.variants[bisect_right(self._variant_ends, own)]
