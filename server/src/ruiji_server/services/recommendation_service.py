"""`RecommendationService`: a query becomes an embedding with a price and a category, and then a page."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from ruiji.v1 import recommendation_pb2, recommendation_pb2_grpc
from ruiji_encoding.pictures import MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS, PictureError, decode_picture
from ruiji_events.units import UnitHasher

from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, ItemNotFound, NotReady, Reason, Unavailable
from ruiji_server.domain.items import Price, check_item_id
from ruiji_server.embedding.on_demand import OnDemandEmbedder
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.embedding.triton import TritonClient, is_unit
from ruiji_server.events.impressions import ImpressionLog, ServedPage
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Page, Query
from ruiji_server.services import metrics
from ruiji_server.services.batch import answer_each
from ruiji_server.services.explaining import Explaining, dropped_items, explaining_of
from ruiji_server.services.failures import Context, rpc
from ruiji_server.services.messages import (
    context_from,
    embedding_from,
    generation_info,
    page_size_of,
    picture_fault,
    policy_of,
)
from ruiji_server.services.pages import explanation, rows_of
from ruiji_server.services.request_ids import new_request_id
from ruiji_server.services.serving import Serving, ServingGenerations
from ruiji_server.services.wire import add_items
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
from ruiji_server.store.engine import Database

_NOTHING_MORE = Explaining()


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a query is about, whichever way it came."""

    vector: NDArray[np.float32]
    price: Price | None
    category_path: tuple[str, ...] | None
    row: int | None = None
    embed_us: int = 0


class RecommendationService(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Similar items over gRPC."""

    def __init__(
        self,
        serving: ServingGenerations,
        database: Database,
        triton: TritonClient | None,
        policy: RankingPolicy,
        pictures: PictureSource,
        impressions: ImpressionLog | None = None,
        units: UnitHasher | None = None,
    ) -> None:
        """Prepare the service.

        Args:
            serving: the generations that answer.
            database: where items are looked up that the generation lacks.
            triton: embeds query pictures; None refuses them.
            policy: what requests depart from.
            pictures: where the pictures of items are read that are embedded for a query.
            impressions: logs a share of the answers; None logs none.
            units: hashes who asks, for that log.
        """
        self._serving = serving
        self._database = database
        self._store = CatalogueStore(database)
        self._triton = triton
        self._policy = policy
        self._on_demand = OnDemandEmbedder(database, triton, pictures)
        self._impressions = impressions
        self._units = units

    @rpc
    async def SimilarItems(  # noqa: N802  (the contract's name)
        self, request: recommendation_pb2.SimilarItemsRequest, context: Context
    ) -> recommendation_pb2.SimilarItemsResponse:
        """Answer with a page of similar items."""
        served = ServedPage(new_request_id(), request.item_id)
        if self._impressions is None or not self._impressions.draws():
            return await self._similar_items(request, context, served)
        with self._impressions.logged(served):
            if request.unit_id and self._units is not None:
                served.unit = self._units.hash(request.unit_id)
            return await self._similar_items(request, context, served)

    async def _similar_items(
        self, request: recommendation_pb2.SimilarItemsRequest, context: Context, served: ServedPage
    ) -> recommendation_pb2.SimilarItemsResponse:
        """Answer, and note in `served` what its log wants to know."""
        served.page_size = page_size = page_size_of(request)
        served.policy = policy = policy_of(request.ranking, self._policy)
        serving = self._chosen(request)
        subject = await self._subject(request, serving, context)
        explaining = explaining_of(request, serving.live)
        page = _page(
            subject, serving, page_size, policy, request.ranking, explain=request.explain, explaining=explaining
        )
        manifest = serving.generation.manifest
        answer = recommendation_pb2.SimilarItemsResponse(
            generation_id=manifest.generation_id,
            encoder_id=manifest.encoder_id,
            catalogue_exhausted=page.exhausted,
            explanation=explanation(page, policy, subject.embed_us) if request.explain else None,
            request_id=served.request_id,
        )
        add_items(answer, page, serving.live)
        if request.explain:
            answer.explanation.dropped.extend(dropped_items(page, explaining, serving.live))
        served.page, served.answer = page, answer
        return answer

    @rpc
    async def SimilarItemsBatch(  # noqa: N802
        self, request: recommendation_pb2.SimilarItemsBatchRequest, _context: Context
    ) -> recommendation_pb2.SimilarItemsBatchResponse:
        """Answer with a page, or an error, for each item."""
        page_size = page_size_of(request)
        policy = policy_of(request.ranking, self._policy)
        # A batch is answered by one generation, so it takes no part in shares.
        serving = self._serving.choose(request.encoder_id or self._serving.current().encoder_id, b"")
        manifest = serving.generation.manifest

        async def answer(item_id: str) -> recommendation_pb2.SimilarItemsOutcome:
            subject = await self._item_subject(item_id, serving)
            page = _page(subject, serving, page_size, policy, request.ranking)
            outcome = recommendation_pb2.SimilarItemsOutcome(item_id=item_id, catalogue_exhausted=page.exhausted)
            add_items(outcome, page, serving.live)
            return outcome

        return recommendation_pb2.SimilarItemsBatchResponse(
            outcomes=await answer_each(request.item_ids, answer),
            generation_id=manifest.generation_id,
            encoder_id=manifest.encoder_id,
        )

    @rpc
    async def Info(  # noqa: N802
        self, _request: recommendation_pb2.InfoRequest, _context: Context
    ) -> recommendation_pb2.InfoResponse:
        """Say what serves."""
        answer = recommendation_pb2.InfoResponse(
            server_version=version("ruiji"),
            limits=recommendation_pb2.Limits(
                max_page_size=limits.MAX_PAGE_SIZE,
                max_picture_bytes=MAX_PICTURE_BYTES,
                max_picture_pixels=MAX_PICTURE_PIXELS,
                max_batch_items=limits.MAX_BATCH_ITEMS,
                max_message_bytes=limits.MAX_MESSAGE_BYTES,
                max_item_id_bytes=limits.MAX_ITEM_ID_BYTES,
                max_excluded_items=limits.MAX_EXCLUDED_ITEMS,
                max_batch_queries=limits.MAX_BATCH_QUERIES,
                max_batch_events=limits.MAX_BATCH_EVENTS,
            ),
            ranking_policy=recommendation_pb2.RankingPolicy(
                max_price_ratio=self._policy.max_price_ratio,
                category_weight=self._policy.category_weight,
                candidates=self._policy.candidates,
            ),
        )
        answer.serving_encoders.extend(
            recommendation_pb2.ServingEncoder(
                encoder_id=serving.encoder_id,
                generation=generation_info(serving.generation.manifest),
                request_share=share,
            )
            for serving, share in self._serving.all()
        )
        if answer.serving_encoders:
            first = answer.serving_encoders[0]
            answer.encoder_id = first.encoder_id
            answer.dimensions = self._serving.current().generation.manifest.dimensions
            answer.generation.CopyFrom(first.generation)
        return answer

    def _chosen(self, request: recommendation_pb2.SimilarItemsRequest) -> Serving:
        match request.WhichOneof("query"):
            case "embedding":
                # It says itself whose it is. If that encoder does not serve, `_embedding_subject` refuses it.
                own = self._serving.get(request.embedding.encoder_id)
                if own is not None and not request.encoder_id:
                    return own
                query = b""
            case "picture":
                query = request.picture.content
            case _:
                return self._serving.choose_for_item(request.encoder_id, request.item_id)
        return self._serving.choose(request.encoder_id, query)

    async def _subject(
        self, request: recommendation_pb2.SimilarItemsRequest, serving: Serving, context: Context
    ) -> _Subject:
        match request.WhichOneof("query"):
            case "item_id":
                return await self._item_subject(request.item_id, serving, embed=request.embed_if_missing)
            case "picture":
                return await self._picture_subject(request.picture, serving, context)
            case "embedding":
                return _embedding_subject(request.embedding, serving)
            case None:
                raise InvalidArgument(
                    Reason.QUERY_MISSING, "a query needs an item_id, a picture or an embedding", field="query"
                )
            case unknown:
                assert_never(unknown)

    async def _item_subject(self, item_id: str, serving: Serving, *, embed: bool = False) -> _Subject:
        live = serving.live
        row = live.row_of(item_id)
        if row is None:
            check_item_id(item_id)
            encoder_id = serving.generation.manifest.encoder_id
            try:
                stored = await asyncio.to_thread(self._stored_subject, item_id, encoder_id)
            except NotReady as error:
                if not embed or error.reason != Reason.EMBEDDING_PENDING:
                    raise
                stored = await self._embedded_subject(item_id, encoder_id)
            # Its change may have come in meanwhile, and then it must not be recommended to itself.
            return replace(stored, row=live.row_of(item_id))
        return _Subject(live.embedding(row), live.price(row), live.category_path(row), row)

    def _stored_subject(self, item_id: str, encoder_id: str) -> _Subject:
        """Look up an item that came after the generation was built."""
        stored = self._store.get(item_id)
        if stored is None:
            raise ItemNotFound(item_id)
        vector = EmbeddingTaskStore(self._database, encoder_id).vector(item_id)
        return _Subject(vector, stored.item.price, stored.item.category_path)

    async def _embedded_subject(self, item_id: str, encoder_id: str) -> _Subject:
        """Embed an item that no worker has reached yet."""
        started_ns = time.perf_counter_ns()
        vector = await self._on_demand.embed(encoder_id, item_id)
        embed_us = (time.perf_counter_ns() - started_ns) // 1_000
        stored = await asyncio.to_thread(self._store.get, item_id)
        if stored is None:
            raise ItemNotFound(item_id)
        return _Subject(vector, stored.item.price, stored.item.category_path, embed_us=embed_us)

    async def _picture_subject(
        self, query: recommendation_pb2.PictureQuery, serving: Serving, context: Context
    ) -> _Subject:
        started_ns = time.perf_counter_ns()
        price, path = context_from(query.context, field="picture.context")
        encoder_id = serving.generation.manifest.encoder_id
        if self._triton is None:
            raise Unavailable(
                Reason.ENCODER_UNAVAILABLE,
                "this server was started without --triton-url and embeds no pictures; queries by item id are not "
                "affected",
            )
        try:
            pixels = await asyncio.to_thread(decode_picture, query.content)
        except PictureError as error:
            raise picture_fault(error, field="picture.content") from error
        vectors = await self._triton.embed(encoder_id, pixels[None], timeout_s=context.time_remaining())
        if not is_unit(vectors[0]):
            raise InvalidArgument(
                Reason.EMBEDDING_NOT_FINITE, "the encoder gave no unit vector for it", field="picture.content"
            )
        return _Subject(vectors[0], price, path, embed_us=(time.perf_counter_ns() - started_ns) // 1_000)


def _embedding_subject(query: recommendation_pb2.EmbeddingQuery, serving: Serving) -> _Subject:
    manifest = serving.generation.manifest
    price, path = context_from(query.context, field="embedding.context")
    if query.encoder_id != manifest.encoder_id:
        raise NotReady(
            Reason.ENCODER_MISMATCH,
            f"the embedding is of encoder {query.encoder_id[:64]!r}; it would be compared with those of "
            f"{manifest.encoder_id}",
            field="embedding.encoder_id",
        )
    return _Subject(embedding_from(query, manifest.dimensions), price, path)


def _page(
    subject: _Subject,
    serving: Serving,
    page_size: int,
    policy: RankingPolicy,
    overrides: recommendation_pb2.RankingOverrides,
    *,
    explain: bool = False,
    explaining: Explaining = _NOTHING_MORE,
) -> Page:
    query = Query(
        vector=subject.vector,
        page_size=page_size,
        policy=policy,
        price=subject.price,
        category_path=subject.category_path,
        currency=overrides.price_currency_code or None,
        row=subject.row,
        excluded_rows=rows_of(serving.live, overrides.excluded_item_ids),
        explain=explain,
        explain_dropped=explaining.nearest,
        explained_rows=explaining.rows,
    )
    page = serving.recommender.recommend(query)
    if serving.shadow is not None:
        serving.shadow.offer(query, serving)
    metrics.observe_page(
        short=len(page.rows) < page_size, exact_scan=page.trace.exact_scan, widenings=page.trace.widenings
    )
    return page
