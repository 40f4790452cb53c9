"""`CatalogService`: checks batches at the door and hands them to the store."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter

from ruiji.v1 import catalog_pb2, catalog_pb2_grpc, common_pb2
from ruiji_encoding.pictures import PictureError, check_picture

from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, ItemNotFound, Reason
from ruiji_server.domain.items import Item, PictureContent, PictureUri, check_item, check_item_id
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.services.browsing import Categories, search
from ruiji_server.services.failures import Context, rpc
from ruiji_server.services.messages import item_from, item_message, picture_fault
from ruiji_server.services.upsert_queue import UpsertQueue
from ruiji_server.store.catalogue import (
    CatalogueStore,
    EmbeddingStatus,
    Rejection,
    RequestName,
    UpsertKind,
    UpsertOutcome,
    UpsertRequest,
)
from ruiji_server.store.engine import Database

_KIND = {
    UpsertKind.CREATED: catalog_pb2.UpsertOutcome.KIND_CREATED,
    UpsertKind.UPDATED: catalog_pb2.UpsertOutcome.KIND_UPDATED,
    UpsertKind.UNCHANGED: catalog_pb2.UpsertOutcome.KIND_UNCHANGED,
    UpsertKind.REJECTED: catalog_pb2.UpsertOutcome.KIND_REJECTED,
}


_CHECKED_AT_ONCE = 8
"""Items, without a picture to decode, that are sooner checked than handed to a thread and back."""


class CatalogService(catalog_pb2_grpc.CatalogServiceServicer):
    """The catalogue over gRPC."""

    def __init__(self, database: Database, pictures: PictureSource) -> None:
        self._database = database
        self._store = CatalogueStore(database)
        self._upserts = UpsertQueue(self._store)
        self._categories = Categories(database)
        self._pictures = pictures

    @rpc
    async def UpsertItems(  # noqa: N802  (the contract's name)
        self, request: catalog_pb2.UpsertItemsRequest, _context: Context
    ) -> catalog_pb2.UpsertItemsResponse:
        """Apply a batch, durably, before answering."""
        if not 1 <= len(request.request_id) <= limits.MAX_REQUEST_ID_CHARS or "\0" in request.request_id:
            raise InvalidArgument(
                Reason.REQUEST_ID_INVALID,
                f"request_id must have 1 to {limits.MAX_REQUEST_ID_CHARS} characters, none of them NUL; a UUID does",
                field="request_id",
            )
        _check_batch_size(len(request.items), field="items")
        if _is_checked_at_once(request):
            checked = self._checked_request(request)
        else:
            checked = await asyncio.to_thread(self._checked_request, request)
        answer = await self._upserts.upsert(checked)
        return catalog_pb2.UpsertItemsResponse(
            outcomes=[_outcome_message(outcome) for outcome in answer.outcomes],
            feed_position=answer.feed_position,
            replayed=answer.replayed,
        )

    @rpc
    async def DeleteItems(  # noqa: N802
        self, request: catalog_pb2.DeleteItemsRequest, _context: Context
    ) -> catalog_pb2.DeleteItemsResponse:
        """Delete items, durably, before answering."""
        _check_batch_size(len(request.item_ids), field="item_ids")
        for index, item_id in enumerate(request.item_ids):
            check_item_id(item_id, field=f"item_ids[{index}]")
        deleted, feed_position = await asyncio.to_thread(self._store.delete, list(request.item_ids))
        return catalog_pb2.DeleteItemsResponse(deleted=deleted, feed_position=feed_position)

    @rpc
    async def GetItem(  # noqa: N802
        self, request: catalog_pb2.GetItemRequest, _context: Context
    ) -> catalog_pb2.GetItemResponse:
        """Read one item."""
        check_item_id(request.item_id)
        stored = await asyncio.to_thread(self._store.get, request.item_id, include_picture=request.include_picture)
        if stored is None:
            raise ItemNotFound(request.item_id)
        answer = catalog_pb2.GetItemResponse(
            item=item_message(stored.item),
            picture_sha256=stored.picture_sha256,
            feed_position=stored.feed_position,
            embeddings=[_status_message(status) for status in stored.embeddings],
        )
        answer.updated_at.FromMicroseconds(stored.updated_at_us)
        return answer

    @rpc
    async def SearchItems(  # noqa: N802
        self, request: catalog_pb2.SearchItemsRequest, _context: Context
    ) -> catalog_pb2.SearchItemsResponse:
        """Find items by title, category and id."""
        return await asyncio.to_thread(search, self._database, request)

    @rpc
    async def ListCategories(  # noqa: N802
        self, request: catalog_pb2.ListCategoriesRequest, _context: Context
    ) -> catalog_pb2.ListCategoriesResponse:
        """Count the items of categories."""
        return await self._categories.answer(request)

    async def close(self) -> None:
        """Write what waits, and end."""
        await self._upserts.close()

    def _checked_request(self, request: catalog_pb2.UpsertItemsRequest) -> UpsertRequest:
        times = Counter(message.item_id for message in request.items)
        batch = [self._checked(message, twice=times[message.item_id] > 1) for message in request.items]
        # Deterministic: the same request has the same bytes, whichever client or proxy sends it.
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
        return UpsertRequest(RequestName(request.request_id, digest), tuple(batch))

    def _checked(self, message: catalog_pb2.Item, *, twice: bool) -> Item | Rejection:
        try:
            item = item_from(message)
            check_item(item)
            if isinstance(item.picture, PictureContent):
                check_picture(item.picture.content)
            elif isinstance(item.picture, PictureUri):
                self._pictures.check_uri(item.picture.uri, field="picture_uri")
            if twice:
                raise InvalidArgument(
                    Reason.DUPLICATE_ITEM_ID, "the item id stands twice in the batch", field="item_id"
                )
        except PictureError as error:
            return _rejection(message.item_id, picture_fault(error, field="picture_content"))
        except InvalidArgument as error:
            return _rejection(message.item_id, error)
        return item


def _is_checked_at_once(request: catalog_pb2.UpsertItemsRequest) -> bool:
    items = request.items
    return len(items) <= _CHECKED_AT_ONCE and not any(item.WhichOneof("picture") == "picture_content" for item in items)


def _rejection(item_id: str, error: InvalidArgument) -> Rejection:
    return Rejection(item_id, error.reason, error.message, error.field)


def _check_batch_size(size: int, *, field: str) -> None:
    if size == 0:
        raise InvalidArgument(Reason.BATCH_EMPTY, "the batch is empty", field=field)
    if size > limits.MAX_BATCH_ITEMS:
        raise InvalidArgument(
            Reason.BATCH_TOO_LARGE,
            f"the batch has {size} entries; at most {limits.MAX_BATCH_ITEMS} are accepted",
            field=field,
        )


def _outcome_message(outcome: UpsertOutcome) -> catalog_pb2.UpsertOutcome:
    rejection = outcome.rejection
    return catalog_pb2.UpsertOutcome(
        item_id=outcome.item_id,
        kind=_KIND[outcome.kind],
        error=None
        if rejection is None
        else common_pb2.ErrorDetail(reason=rejection.reason, message=rejection.message, field=rejection.field),
    )


def _status_message(status: EmbeddingStatus) -> catalog_pb2.EmbeddingStatus:
    if status.embedded:
        stage = catalog_pb2.EmbeddingStatus.STAGE_EMBEDDED
    elif status.parked:
        stage = catalog_pb2.EmbeddingStatus.STAGE_FAILED
    else:
        stage = catalog_pb2.EmbeddingStatus.STAGE_PENDING
    return catalog_pb2.EmbeddingStatus(
        encoder_id=status.encoder_id,
        stage=stage,
        attempts=status.attempts,
        error=None
        if status.reason is None
        else common_pb2.ErrorDetail(reason=status.reason, message=status.message or ""),
    )
