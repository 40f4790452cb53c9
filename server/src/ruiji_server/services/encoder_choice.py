"""Which encoder answers a query that names none: by share, the same for the same query, and with nothing to remember.

A query's hash is a number from 0 to 1. The active encoders' shares are laid side by side from 0 on, in the order of
their registration; the promoted encoder has the rest. All servers therefore choose alike, and while a share grows, the
queries that it had stay with it.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ruiji_server.store.encoders import EncoderState, RegisteredEncoder

_HASHED_BYTES: Final = 1 << 16
"""Of a query; enough to tell pictures apart, and quickly done for large ones."""
_HASH_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """How requests are divided among the encoders whose generations are loaded."""

    principal: str
    """Answers what no other answers: the promoted encoder, or who stands in while its generation is not loaded."""
    shares: tuple[tuple[str, float], ...] = ()
    """The other encoders' shares, 0 to 1, in the order in which they are laid."""

    def encoder_of(self, query: bytes) -> str:
        """Return the id of the encoder that answers a query."""
        if not self.shares:
            return self.principal
        digest = hashlib.blake2b(query[:_HASHED_BYTES], digest_size=_HASH_BYTES, person=b"ruiji-share").digest()
        point = int.from_bytes(digest) / 2 ** (8 * _HASH_BYTES)
        return next((encoder_id for encoder_id, end in self.ends() if point < end), self.principal)

    def ends(self) -> list[tuple[str, float]]:
        """Return the encoders with where each one's share ends, in the order in which they are laid."""
        ends = itertools.accumulate(share for _, share in self.shares)
        laid = [(encoder_id, end) for (encoder_id, _), end in zip(self.shares, ends, strict=True)]
        return [*laid, (self.principal, math.inf)]

    def share_of(self, encoder_id: str) -> float:
        """Return the share of requests that an encoder answers, 0 to 1."""
        if encoder_id == self.principal:
            return max(0.0, 1.0 - sum(share for _, share in self.shares))
        return dict(self.shares).get(encoder_id, 0.0)


def choice_among(known: Sequence[RegisteredEncoder], loaded: Collection[str]) -> EncoderChoice | None:
    """Divide requests among the encoders that are loaded.

    Args:
        known: the store's encoders, oldest first.
        loaded: ids of those that can answer.

    Returns:
        The choice, or None if nothing is loaded.
    """
    usable = [encoder for encoder in known if encoder.encoder_id in loaded]
    if not usable:
        return None
    promoted = next((encoder for encoder in known if encoder.state == EncoderState.PROMOTED), None)
    preferred = [] if promoted is None else [promoted.encoder_id, promoted.promoted_over]
    # Whatever happens, requests are answered: by the one before the promoted, by the oldest active one, by any.
    preferred += [encoder.encoder_id for encoder in usable if encoder.state == EncoderState.ACTIVE]
    principal = next((one for one in preferred if one in loaded and one is not None), usable[0].encoder_id)
    shares = tuple(
        (encoder.encoder_id, encoder.request_share)
        for encoder in usable
        if encoder.state == EncoderState.ACTIVE and encoder.request_share > 0 and encoder.encoder_id != principal
    )
    return EncoderChoice(principal, shares)
