"""A small server that keeps the contract, for tests of whatever talks to one.

Real gRPC on a real socket, items in a dict. It stands in for nothing that a test of the server would look at: pictures
are embedded by their checksum, so neighbours mean nothing, and an item whose picture lies elsewhere (`picture_uri`)
stays without an embedding.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, NoReturn

import grpc
import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray
from ruiji.v1 import catalog_pb2 as catalog
from ruiji.v1 import catalog_pb2_grpc, common_pb2, operations_pb2, operations_pb2_grpc, recommendation_pb2_grpc
from ruiji.v1 import recommendation_pb2 as recommendation

ENCODER_ID = "enc-00000000000000aa"
GENERATION_ID = "reference"
DIMENSIONS = 16
MAX_MESSAGE_BYTES = 64 * 2**20
MAX_BATCH_QUERIES = 500
PICTURE_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff")

_CODE = grpc.StatusCode


@dataclass(frozen=True)
class Fault:
    """What the server does to a call instead of answering it, or before it."""

    code: grpc.StatusCode | None = None
    """Fails the call with this status; None answers it."""
    detail: common_pb2.ErrorDetail | bytes | None = None
    """Sent as `ruiji-error-bin`; bytes go out as they are."""
    delay_s: float = 0.0
    """Waits first; cut short when the server stops."""


@dataclass(frozen=True)
class SeenCall:
    """A call as it reached the server; each attempt of a retried call is one."""

    rpc: str
    request: Message
    metadata: dict[str, str | bytes]
    peer: str
    time_remaining_s: float | None


@dataclass
class ReferenceServer:
    """A running server, and the hands of the test on it."""

    target: str = ""
    port: int = 0
    token: str | None = None
    """If set, calls without it are UNAUTHENTICATED."""
    seen: list[SeenCall] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    """Used up one by one, in order, by the calls that arrive."""
    every_call: Fault = field(default_factory=Fault)
    """What happens to each call for which no fault is left."""
    lock: Lock = field(default_factory=Lock)
    stopping: Event = field(default_factory=Event)

    def calls(self, rpc: str) -> list[SeenCall]:
        """Return the calls of one RPC, in the order in which they arrived."""
        with self.lock:
            return [call for call in self.seen if call.rpc == rpc]

    def receive(self, rpc: str, request: Message, context: grpc.ServicerContext) -> None:
        """Note a call, and let happen to it what the test planned."""
        metadata: dict[str, Any] = dict(context.invocation_metadata())
        with self.lock:
            self.seen.append(SeenCall(rpc, request, metadata, context.peer(), context.time_remaining()))
            fault = self.faults.popleft() if self.faults else self.every_call
        if self.token is not None and metadata.get("authorization") != f"Bearer {self.token}":
            context.abort(_CODE.UNAUTHENTICATED, "the token is missing or wrong")
        if fault.delay_s > 0:
            self.stopping.wait(fault.delay_s)
        if fault.code is not None:
            _abort(context, fault.code, fault.detail)


@contextmanager
def reference_server(
    *, credentials: grpc.ServerCredentials | None = None, port: int = 0, token: str | None = None
) -> Iterator[ReferenceServer]:
    """Run a server on a free (or the given) port of the loopback until the block ends."""
    running = ReferenceServer(token=token)
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.so_reuseport", 0)]
    with ThreadPoolExecutor(max_workers=8) as threads:
        server = grpc.server(threads, options=options)
        items: dict[str, catalog.Item] = {}
        recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server(_Recommendation(running, items), server)
        catalog_pb2_grpc.add_CatalogServiceServicer_to_server(_Catalog(running, items), server)
        operations_pb2_grpc.add_OperationsServiceServicer_to_server(_Operations(running, items), server)
        if credentials is None:
            running.port = server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            running.port = server.add_secure_port(f"127.0.0.1:{port}", credentials)
        running.target = f"localhost:{running.port}"
        server.start()
        try:
            yield running
        finally:
            running.stopping.set()
            server.stop(grace=None).wait()


class _Recommendation(recommendation_pb2_grpc.RecommendationServiceServicer):
    def __init__(self, server: ReferenceServer, items: dict[str, catalog.Item]) -> None:
        self._server = server
        self._items = items

    def SimilarItems(  # noqa: N802  (the contract's name)
        self, request: recommendation.SimilarItemsRequest, context: grpc.ServicerContext
    ) -> recommendation.SimilarItemsResponse:
        self._server.receive("SimilarItems", request, context)
        page_size = _page_size(request, context)
        query = self._query_vector(request, context)
        answer = self._page(query, {request.item_id, *request.ranking.excluded_item_ids}, page_size)
        if request.explain:
            answer.explanation.max_price_ratio = math.inf
            answer.explanation.candidates = len(self._items)
        return answer

    def _page(
        self, query: NDArray[np.float64], left_out: set[str], page_size: int
    ) -> recommendation.SimilarItemsResponse:
        cosines = {
            item_id: float(embedding @ query)
            for item_id, item in tuple(self._items.items())
            if item_id not in left_out
            and item.state != catalog.ITEM_STATE_SOLD
            and (embedding := _embedding_of(item)) is not None
        }
        best = sorted(cosines, key=lambda item_id: (-cosines[item_id], item_id))
        return recommendation.SimilarItemsResponse(
            items=[
                recommendation.SimilarItem(item_id=item_id, score=cosines[item_id], cosine=cosines[item_id])
                for item_id in best[:page_size]
            ],
            generation_id=GENERATION_ID,
            encoder_id=ENCODER_ID,
            catalogue_exhausted=len(best) <= page_size,
            request_id=uuid.uuid4().hex,
        )

    def SimilarItemsBatch(  # noqa: N802
        self, request: recommendation.SimilarItemsBatchRequest, context: grpc.ServicerContext
    ) -> recommendation.SimilarItemsBatchResponse:
        self._server.receive("SimilarItemsBatch", request, context)
        if not 1 <= len(request.item_ids) <= MAX_BATCH_QUERIES:
            reason = "BATCH_TOO_LARGE" if request.item_ids else "BATCH_EMPTY"
            _refuse(context, reason, f"give 1 to {MAX_BATCH_QUERIES} ids", "item_ids")
        answer = recommendation.SimilarItemsBatchResponse(generation_id=GENERATION_ID, encoder_id=ENCODER_ID)
        for item_id in request.item_ids:
            outcome = answer.outcomes.add(item_id=item_id)
            item = self._items.get(item_id)
            embedding = None if item is None else _embedding_of(item)
            if item is None:
                outcome.error.reason, outcome.error.field = "ITEM_NOT_FOUND", "item_id"
            elif embedding is None:
                outcome.error.reason, outcome.error.field = "EMBEDDING_PENDING", "item_id"
            else:
                page = self._page(
                    embedding, {item_id, *request.ranking.excluded_item_ids}, _page_size(request, context)
                )
                outcome.items.extend(page.items)
                outcome.catalogue_exhausted = page.catalogue_exhausted
        return answer

    def Info(  # noqa: N802
        self, request: recommendation.InfoRequest, context: grpc.ServicerContext
    ) -> recommendation.InfoResponse:
        self._server.receive("Info", request, context)
        return recommendation.InfoResponse(
            server_version="reference",
            encoder_id=ENCODER_ID,
            dimensions=DIMENSIONS,
            generation=recommendation.GenerationInfo(generation_id=GENERATION_ID, items=len(self._items)),
            limits=recommendation.Limits(
                max_page_size=200,
                max_batch_items=500,
                max_message_bytes=MAX_MESSAGE_BYTES,
                max_batch_queries=MAX_BATCH_QUERIES,
            ),
            ranking_policy=recommendation.RankingPolicy(max_price_ratio=math.inf),
        )

    def _query_vector(
        self, request: recommendation.SimilarItemsRequest, context: grpc.ServicerContext
    ) -> NDArray[np.float64]:
        match request.WhichOneof("query"):
            case "item_id":
                item = self._items.get(request.item_id)
                if item is None:
                    _not_found(context, request.item_id)
                embedding = _embedding_of(item)
                if embedding is None:
                    detail = common_pb2.ErrorDetail(
                        reason="EMBEDDING_PENDING", message="the item is not embedded yet", field="item_id"
                    )
                    _abort(context, _CODE.FAILED_PRECONDITION, detail)
                return embedding
            case "picture":
                if not request.picture.content.startswith(PICTURE_SIGNATURES):
                    _refuse(context, "PICTURE_UNREADABLE", "not a picture", "picture.content")
                return _embedding_of_bytes(request.picture.content)
            case "embedding":
                values = np.array(request.embedding.values, dtype=np.float64)
                if len(values) != DIMENSIONS:
                    _refuse(context, "EMBEDDING_DIMENSIONS", f"needs {DIMENSIONS} values", "embedding.values")
                if not np.isfinite(values).all():
                    _refuse(context, "EMBEDDING_NOT_FINITE", "has NaN or infinity", "embedding.values")
                if not values.any():
                    _refuse(context, "EMBEDDING_ZERO", "has no direction", "embedding.values")
                if request.embedding.encoder_id != ENCODER_ID:
                    detail = common_pb2.ErrorDetail(reason="ENCODER_MISMATCH", message=f"{ENCODER_ID} serves")
                    _abort(context, _CODE.FAILED_PRECONDITION, detail)
                return values / float(np.linalg.norm(values))
        return _refuse(context, "QUERY_MISSING", "give a query", "query")


class _Catalog(catalog_pb2_grpc.CatalogServiceServicer):
    def __init__(self, server: ReferenceServer, items: dict[str, catalog.Item]) -> None:
        self._server = server
        self._items = items
        self._answers: dict[str, tuple[bytes, catalog.UpsertItemsResponse]] = {}
        self._feed_position = 0

    def UpsertItems(  # noqa: N802
        self, request: catalog.UpsertItemsRequest, context: grpc.ServicerContext
    ) -> catalog.UpsertItemsResponse:
        self._server.receive("UpsertItems", request, context)
        if not request.items:
            _refuse(context, "BATCH_EMPTY", "the batch is empty", "items")
        content = request.SerializeToString(deterministic=True)
        with self._server.lock:
            before = self._answers.get(request.request_id)
            if before is None:
                self._feed_position += 1
                outcomes = [self._upsert(item) for item in request.items]
                answer = catalog.UpsertItemsResponse(outcomes=outcomes, feed_position=self._feed_position)
                self._answers[request.request_id] = (content, answer)
                return answer
        applied, answer = before
        if applied != content:
            _refuse(context, "REQUEST_ID_REUSED", "the id was used for another batch", "request_id")
        return catalog.UpsertItemsResponse(outcomes=answer.outcomes, feed_position=answer.feed_position, replayed=True)

    def DeleteItems(  # noqa: N802
        self, request: catalog.DeleteItemsRequest, context: grpc.ServicerContext
    ) -> catalog.DeleteItemsResponse:
        self._server.receive("DeleteItems", request, context)
        if not request.item_ids:
            _refuse(context, "BATCH_EMPTY", "the batch is empty", "item_ids")
        with self._server.lock:
            self._feed_position += 1
            deleted = [self._items.pop(item_id, None) is not None for item_id in request.item_ids]
            return catalog.DeleteItemsResponse(deleted=deleted, feed_position=self._feed_position)

    def GetItem(  # noqa: N802
        self, request: catalog.GetItemRequest, context: grpc.ServicerContext
    ) -> catalog.GetItemResponse:
        self._server.receive("GetItem", request, context)
        item = self._items.get(request.item_id)
        if item is None:
            _not_found(context, request.item_id)
        stage = catalog.EmbeddingStatus.STAGE_PENDING
        if _embedding_of(item) is not None:
            stage = catalog.EmbeddingStatus.STAGE_EMBEDDED
        answer = catalog.GetItemResponse(
            item=item,
            picture_sha256=hashlib.sha256(item.picture_content or item.picture_uri.encode()).hexdigest(),
            feed_position=self._feed_position,
            embeddings=[catalog.EmbeddingStatus(encoder_id=ENCODER_ID, stage=stage)],
        )
        if not request.include_picture:
            answer.item.ClearField("picture_content")
        return answer

    def SearchItems(  # noqa: N802
        self, request: catalog.SearchItemsRequest, context: grpc.ServicerContext
    ) -> catalog.SearchItemsResponse:
        self._server.receive("SearchItems", request, context)
        page_size = _page_size(request, context)
        words = request.text.lower().split()
        prefix = list(request.category_prefix)
        found = [
            catalog.FoundItem(item=item, picture_sha256=hashlib.sha256(item.picture_content).hexdigest())
            for item_id, item in sorted(self._items.items())
            if item_id > request.page_token
            and all(word in item.title.lower() for word in words)
            and list(item.category_path[: len(prefix)]) == prefix
            and item_id.startswith(request.item_id_prefix)
        ]
        for hit in found:
            hit.item.ClearField("picture_content")
        more = found[page_size - 1].item.item_id if len(found) > page_size else ""
        return catalog.SearchItemsResponse(items=found[:page_size], next_page_token=more)

    def ListCategories(  # noqa: N802
        self, request: catalog.ListCategoriesRequest, context: grpc.ServicerContext
    ) -> catalog.ListCategoriesResponse:
        self._server.receive("ListCategories", request, context)
        path = list(request.category_path)
        inside = [list(item.category_path) for item in self._items.values()]
        inside = [each for each in inside if each[: len(path)] == path]
        children = sorted({tuple(each[: len(path) + 1]) for each in inside if len(each) > len(path)})

        def category(prefix: Sequence[str]) -> catalog.Category:
            count = sum(each[: len(prefix)] == list(prefix) for each in inside)
            return catalog.Category(category_path=prefix, items=count, on_sale_items=count, embedded_items=count)

        return catalog.ListCategoriesResponse(
            category=category(path), children=map(category, children), encoder_id=ENCODER_ID
        )

    def _upsert(self, item: catalog.Item) -> catalog.UpsertOutcome:
        kinds = catalog.UpsertOutcome
        if not item.HasField("price"):
            error = common_pb2.ErrorDetail(reason="PRICE_MISSING", message="an item needs a price", field="price")
            return kinds(item_id=item.item_id, kind=kinds.KIND_REJECTED, error=error)
        old = self._items.get(item.item_id)
        kept = catalog.Item()
        kept.CopyFrom(item)
        kept.state = item.state or catalog.ITEM_STATE_ON_SALE
        self._items[item.item_id] = kept
        if old is None:
            return kinds(item_id=item.item_id, kind=kinds.KIND_CREATED)
        return kinds(item_id=item.item_id, kind=kinds.KIND_UNCHANGED if old == kept else kinds.KIND_UPDATED)


class _Operations(operations_pb2_grpc.OperationsServiceServicer):
    def __init__(self, server: ReferenceServer, items: dict[str, catalog.Item]) -> None:
        self._server = server
        self._items = items

    def Status(  # noqa: N802
        self, request: operations_pb2.StatusRequest, context: grpc.ServicerContext
    ) -> operations_pb2.StatusResponse:
        self._server.receive("Status", request, context)
        encoder = operations_pb2.EncoderStatus(
            encoder_id=ENCODER_ID, state=operations_pb2.EncoderStatus.STATE_PROMOTED, request_share=1.0
        )
        encoder.generation.generation.generation_id = GENERATION_ID
        return operations_pb2.StatusResponse(server_version="reference", items=len(self._items), encoders=[encoder])


def _page_size(
    request: recommendation.SimilarItemsRequest | recommendation.SimilarItemsBatchRequest | catalog.SearchItemsRequest,
    context: grpc.ServicerContext,
) -> int:
    page_size = request.page_size if request.HasField("page_size") else 20
    if not 1 <= page_size <= 200:
        _refuse(context, "PAGE_SIZE_OUT_OF_RANGE", "page_size must be 1 to 200", "page_size")
    return page_size


def _embedding_of(item: catalog.Item) -> NDArray[np.float64] | None:
    return _embedding_of_bytes(item.picture_content) if item.picture_content else None


def _embedding_of_bytes(content: bytes) -> NDArray[np.float64]:
    seed: Sequence[int] = np.frombuffer(hashlib.sha256(content).digest(), dtype=np.uint32).tolist()
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return vector / float(np.linalg.norm(vector))


def _not_found(context: grpc.ServicerContext, item_id: str) -> NoReturn:
    detail = common_pb2.ErrorDetail(reason="ITEM_NOT_FOUND", message=f"there is no item {item_id!r}", field="item_id")
    _abort(context, _CODE.NOT_FOUND, detail)


def _refuse(context: grpc.ServicerContext, reason: str, message: str, field_path: str) -> NoReturn:
    detail = common_pb2.ErrorDetail(reason=reason, message=message, field=field_path)
    _abort(context, _CODE.INVALID_ARGUMENT, detail)


def _abort(
    context: grpc.ServicerContext, code: grpc.StatusCode, detail: common_pb2.ErrorDetail | bytes | None
) -> NoReturn:
    message = detail.message if isinstance(detail, common_pb2.ErrorDetail) else f"planned {code.name}"
    if detail is not None:
        raw = detail if isinstance(detail, bytes) else detail.SerializeToString()
        context.set_trailing_metadata((("ruiji-error-bin", raw),))
    context.abort(code, message)
    raise AssertionError("abort raises")
