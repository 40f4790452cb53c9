"""The items of a page in protobuf's wire format (protobuf.dev/programming-guides/encoding).

Making twenty `SimilarItem`s in Python costs as much as ranking them. Written here and read by the message at once, they
cost a third of that, and the message stays protobuf's own: whatever it makes of them is what is sent.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import numpy as np
from google.protobuf.descriptor import Descriptor
from ruiji.v1 import recommendation_pb2

from ruiji_server.columns.live import LiveColumns
from ruiji_server.ranking.interleaving import DraftedPage
from ruiji_server.ranking.query import Page

Answer = recommendation_pb2.SimilarItemsResponse | recommendation_pb2.SimilarItemsOutcome

_LENGTH_DELIMITED: Final = 2
_FIXED32: Final = 5
_TAGGED: Final = np.dtype([("tag", "u1"), ("value", "<f4")])


def add_items(answer: Answer, page: Page, live: LiveColumns) -> None:
    """Add the items of a page to an answer that has none."""
    add_named_items(answer, page, live.item_ids_utf8(page.rows))


def add_named_items(answer: Answer, page: Page | DraftedPage, item_ids: Sequence[bytes]) -> None:
    """Add the items of a page to an answer that has none; `item_ids` are theirs in UTF-8."""
    columns = (
        (_SCORE, page.scores),
        (_COSINE, page.cosines),
        (_PRICE_RATIO, page.price_ratios),
        (_CATEGORY_SIMILARITY, page.category_similarities),
        (_PROPENSITY, page.propensities),
    )
    present = [(tag, values) for tag, values in columns if values is not None]
    # Tag and value by turns, without gaps: what follows an item's id, for all items at once.
    numbers = np.empty((len(item_ids), len(present)), dtype=_TAGGED)
    for place, (tag, values) in enumerate(present):
        numbers["tag"][:, place] = tag
        numbers["value"][:, place] = values
    packed, size = numbers.tobytes(), numbers.dtype.itemsize * len(present)
    items_tag = _tag(answer.DESCRIPTOR, "items", _LENGTH_DELIMITED)
    parts: list[bytes] = []
    for place, item_id in enumerate(item_ids):
        parts += (_head(items_tag, len(item_id), size), item_id, packed[place * size : (place + 1) * size])
    answer.MergeFromString(b"".join(parts))


@functools.lru_cache(maxsize=4096)
def _head(items_tag: int, id_bytes: int, numbers_bytes: int) -> bytes:
    """Return what stands before an item's id: the item's tag and length, the id's tag and length."""
    id_head = bytes((_ITEM_ID,)) + _varint(id_bytes)
    return bytes((items_tag,)) + _varint(len(id_head) + id_bytes + numbers_bytes) + id_head


def _varint(value: int) -> bytes:
    """Return an unsigned number in base 128, least significant digits first."""
    digits = []
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*digits, value))


@functools.cache
def _tag(message: Descriptor, field: str, wire_type: int) -> int:
    # One byte, for all our fields are below 16.
    return message.fields_by_name[field].number << 3 | wire_type


_ITEM_ID: Final = _tag(recommendation_pb2.SimilarItem.DESCRIPTOR, "item_id", _LENGTH_DELIMITED)
_SCORE, _COSINE, _PRICE_RATIO, _CATEGORY_SIMILARITY, _PROPENSITY = (
    _tag(recommendation_pb2.SimilarItem.DESCRIPTOR, field, _FIXED32)
    for field in ("score", "cosine", "price_ratio", "category_similarity", "propensity")
)
