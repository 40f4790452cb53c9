"""Looking around in the catalogue: search and categories, from messages to the store and back."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass

from ruiji.v1 import catalog_pb2

from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, NotReady, Reason
from ruiji_server.domain.items import check_category_path, check_item_id
from ruiji_server.services.messages import item_message, page_size_of
from ruiji_server.services.remembered import Remembered
from ruiji_server.store.category_counts import (
    Category,
    CategoryPath,
    ItemCounts,
    category,
    child_categories,
    count_categories,
)
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.encoders import EncoderState, EncoderStateError, registered_encoders
from ruiji_server.store.engine import Database
from ruiji_server.store.item_search import ItemFilter, search_items

_COUNTS_KEPT_S = 30.0


def search(database: Database, request: catalog_pb2.SearchItemsRequest) -> catalog_pb2.SearchItemsResponse:
    """Answer a search. Blocking.

    Raises:
        InvalidArgument: the request is at fault.
    """
    page_size = page_size_of(request)
    if len(request.text) > limits.MAX_SEARCH_CHARS or "\0" in request.text:
        raise InvalidArgument(
            Reason.SEARCH_TEXT_INVALID,
            f"text must have at most {limits.MAX_SEARCH_CHARS} characters, none of them NUL",
            field="text",
        )
    path = tuple(request.category_prefix)
    if path:
        check_category_path(path, field="category_prefix")
    if request.item_id_prefix:
        check_item_id(request.item_id_prefix, field="item_id_prefix")
    found = search_items(
        database,
        ItemFilter(request.text.split(), path, request.item_id_prefix),
        after=_item_id_in(request.page_token),
        limit=page_size,
    )
    return catalog_pb2.SearchItemsResponse(
        items=[
            catalog_pb2.FoundItem(item=item_message(hit.item), picture_sha256=hit.picture_sha256) for hit in found.items
        ],
        next_page_token="" if found.go_on_after is None else _token(found.go_on_after),
    )


class Categories:
    """The category tree with its counts, which are remembered for a while. Use it in one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted = Remembered(self._count, _COUNTS_KEPT_S)

    async def answer(self, request: catalog_pb2.ListCategoriesRequest) -> catalog_pb2.ListCategoriesResponse:
        """Return a category and its children.

        Raises:
            InvalidArgument: the path is out of range.
            NotReady: the encoder embeds nothing.
        """
        path = tuple(request.category_path)
        if path:
            check_category_path(path)
        try:
            counted = await self._counted.get(request.encoder_id)
        except (UnknownEncoder, EncoderStateError) as error:
            raise NotReady(Reason.ENCODER_MISMATCH, str(error), field="encoder_id") from error
        answer = catalog_pb2.ListCategoriesResponse(
            category=_category_message(category(counted.counts, path)),
            children=[_category_message(child) for child in child_categories(counted.counts, path)],
            encoder_id=counted.encoder_id,
        )
        answer.counted_at.FromMicroseconds(counted.at_us)
        return answer

    def _count(self, wanted: str) -> _Counted:
        at_us = time.time_ns() // 1_000
        encoder_id = wanted or _promoted(self._database)
        return _Counted(count_categories(self._database, encoder_id), encoder_id or "", at_us)


@dataclass(frozen=True, slots=True)
class _Counted:
    counts: dict[CategoryPath, ItemCounts]
    encoder_id: str
    at_us: int


def _promoted(database: Database) -> str | None:
    encoders = registered_encoders(database)
    return next((encoder.encoder_id for encoder in encoders if encoder.state == EncoderState.PROMOTED), None)


def _category_message(node: Category) -> catalog_pb2.Category:
    return catalog_pb2.Category(
        category_path=node.path,
        items=node.counts.items,
        on_sale_items=node.counts.on_sale,
        embedded_items=node.counts.embedded,
        waiting_items=node.counts.waiting,
        given_up_items=node.counts.given_up,
        children=node.children,
    )


def _token(item_id: str) -> str:
    return base64.urlsafe_b64encode(item_id.encode()).decode()


def _item_id_in(token: str) -> str:
    try:
        item_id = base64.b64decode(token, altchars=b"-_", validate=True).decode()
        if item_id:
            check_item_id(item_id)
    except (binascii.Error, UnicodeError, ValueError, InvalidArgument) as error:
        raise InvalidArgument(
            Reason.PAGE_TOKEN_INVALID, "page_token is not one that a search gave", field="page_token"
        ) from error
    return item_id
