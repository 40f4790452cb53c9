"""Splits that repeat: by the hash of a title, so that listings of one title are always on one side."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from ruiji_evaluation.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ruiji_evaluation.catalogue import Item

_BITS = 53
_TEST_SIDE = "test"


@dataclass(frozen=True, slots=True)
class Split:
    """Which items are evaluated, and which of them ask."""

    test_share: float = 1.0
    """Share of titles that are on the test side, 0 to 1; 1 takes all, where no training saw any."""
    test_ids: Path | None = None
    """Ids of the test side, where training made the split: a text file with one in a line, or a table with the columns
    id and side, such as `pairs.parquet` of prepared pairs. It outdoes the share."""
    test_salt: str = "test"
    """Keeps this split apart from others by the same titles; training must use the same."""
    query_share: float = 0.25
    """Share of the test side's titles that ask; the others are the gallery, so no query finds its own title."""
    query_salt: str = "query"
    """As above, for the queries."""
    max_queries: int = 2_000
    """Most queries; those of the smallest hash."""


def share_of(text: str, salt: str) -> float:
    """Hash a text to a number, evenly spread over [0, 1).

    The same for texts that differ in case, in white space or in Unicode's composition.
    """
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    digest = hashlib.sha256(f"{salt}\n{folded}".encode()).digest()
    return (int.from_bytes(digest[:8], "big") >> (64 - _BITS)) / float(1 << _BITS)


def test_side(items: Sequence[Item], split: Split) -> list[Item]:
    """Return the items of the test side, in the same order.

    Raises:
        StudyError: the file of ids cannot be read.
    """
    if split.test_ids is None:
        return [item for item in items if share_of(item.title, split.test_salt) < split.test_share]
    try:
        ids = _listed(split.test_ids)
    except (OSError, UnicodeDecodeError, KeyError, pa.ArrowException) as error:
        raise StudyError(f"[split] test_ids: {split.test_ids} cannot be read ({error})") from error
    return [item for item in items if item.item_id in ids]


def _listed(path: Path) -> set[str]:
    if path.suffix != ".parquet":
        return {line.strip() for line in path.read_text(encoding="utf-8").splitlines()}
    table = pq.read_table(path, columns=["id", "side"])
    rows = zip(table.column("id").to_pylist(), table.column("side").to_pylist(), strict=True)
    return {str(item_id) for item_id, side in rows if side == _TEST_SIDE}
