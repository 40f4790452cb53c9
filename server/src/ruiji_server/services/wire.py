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
from numpy.typing import NDArray
from ruiji.v1 import recommendation_pb2

from ruiji_server.columns.live import LiveColumns
from ruiji_server.domain.limits import MAX_ITEM_ID_BYTES
from ruiji_server.kernels.columns import Tags
from ruiji_server.ranking.interleaving import DraftedPage
from ruiji_server.ranking.query import Page

Answer = recommendation_pb2.SimilarItemsResponse | recommendation_pb2.SimilarItemsOutcome

_LENGTH_DELIMITED: Final = 2
_FIXED32: Final = 5
_TAGGED: Final = np.dtype([("tag", "u1"), ("value", "<f4")])
"""A number with what stands before it."""


def add_items(answer: Answer, page: Page, live: LiveColumns) -> None:
    """Add the items of a page to an answer that has none."""
    written = live.write_items(
        page.rows, tags_in(answer.DESCRIPTOR),
        page.scores, page.cosines, page.price_ratios, page.category_similarities, page.propensities,
    )  # fmt: skip
    if written is None:
        add_named_items(answer, page, live.item_ids_utf8(page.rows))
    else:
        answer.MergeFromString(written)


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
    numbers = _zeros(tuple([tag for tag, _ in present]), len(item_ids)).copy()
    slots = numbers.view(_TAGGED)["value"]
    for place, (_, values) in enumerate(present):
        slots[place :: len(present)] = values
    heads = _heads(_tag(answer.DESCRIPTOR, "items", _LENGTH_DELIMITED), numbers.itemsize)
    answer.MergeFromString(
        b"".join([heads[len(id_)] + id_ + tail for id_, tail in zip(item_ids, numbers.tolist(), strict=True)])
    )


@functools.cache
def tags_in(answer: Descriptor) -> Tags:
    """Return the tags of the items of an answer, and of their fields."""
    return Tags(
        _tag(answer, "items", _LENGTH_DELIMITED), _ITEM_ID,
        _SCORE, _COSINE, _PRICE_RATIO, _CATEGORY_SIMILARITY, _PROPENSITY,
    )  # fmt: skip


@functools.lru_cache(maxsize=1024)
def _zeros(tags: tuple[int, ...], items: int) -> NDArray[np.void]:
    """Return what follows the ids of items, with 0 for every number: tag and value by turns; shape (items,)."""
    numbers = np.zeros((items, len(tags)), dtype=_TAGGED)
    numbers["tag"] = tags
    return numbers.view(f"V{len(tags) * _TAGGED.itemsize}").reshape(items)


@functools.cache
def _heads(items_tag: int, numbers_bytes: int) -> Sequence[bytes]:
    """Return what stands before an id, by the id's length: the item's tag and length, the id's tag and length.

    Args:
        items_tag: of the field that the items are in.
        numbers_bytes: length of what follows the id.
    """
    heads = []
    for id_bytes in range(MAX_ITEM_ID_BYTES + 1):
        id_head = bytes((_ITEM_ID,)) + _varint(id_bytes)
        heads.append(bytes((items_tag,)) + _varint(len(id_head) + id_bytes + numbers_bytes) + id_head)
    return heads


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
