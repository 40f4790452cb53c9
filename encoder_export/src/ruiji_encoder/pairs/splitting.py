"""Which pairs are sampled and which side a group is on, by hash: the same everywhere, in whatever order they come."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from ruiji_encoder.errors import PairsError

_HASH_RANGE = 2**64


class Side(StrEnum):
    """What pairs are for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Split:
    """How large the sides are; what is left is for training."""

    validation: float = 0.05
    """Share of groups for choosing checkpoints and settings."""
    test: float = 0.1
    """Share of groups that nothing is chosen on."""
    seed: int = 0
    """Of the hash; another one gives another split and another sample."""

    def __post_init__(self) -> None:
        if not (self.validation >= 0 and self.test >= 0 and self.validation + self.test < 1):
            raise PairsError(
                f"shares of {self.validation} for validation and {self.test} for test leave nothing to train on"
            )

    def side_of(self, group: str) -> Side:
        """Return the side of a group, named by one of its pairs' ids."""
        at = _hash("side", self.seed, group) / _HASH_RANGE
        if at < self.test:
            return Side.TEST
        return Side.VALIDATION if at < self.test + self.validation else Side.TRAIN

    def sampling_key(self, pair_id: str) -> int:
        """Return a number to sort by; the first n of that order are a sample of n, and part of every larger one."""
        return _hash("sample", self.seed, pair_id)


def _hash(purpose: str, seed: int, text: str) -> int:
    digest = hashlib.blake2b(f"{purpose}\0{seed}\0{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
