"""`RecommendationService`: a query becomes an embedding with a price and a category, and then a page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from ruiji.v1 import recommendation_pb2, recommendation_pb2_grpc
from ruiji_encoding.pictures import MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS, PictureError, decode_picture

from ruiji_server.columns.live import LiveColumns
from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, ItemNotFound, NotReady, Reason, Unavailable
from ruiji_server.domain.items import Price, check_item_id
from ruiji_server.embedding.triton import TritonClient, is_unit
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Page, Query
from ruiji_server.services import metrics
from ruiji_server.services.failures import Context, rpc
from ruiji_server.services.messages import context_from, embedding_from, page_size_of, picture_fault, policy_of
from ruiji_server.services.serving import Serving, ServingGeneration
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
from ruiji_server.store.engine import Database


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
        serving: ServingGeneration,
        database: Database,
        triton: TritonClient | None,
        policy: RankingPolicy,
    ) -> None:
        """Prepare the service.

        Args:
            serving: the generation that answers.
            database: where items are looked up that the generation lacks.
            triton: embeds query pictures; None refuses them.
            policy: what requests depart from.
        """
        self._serving = serving
        self._database = database
        self._store = CatalogueStore(database)
        self._triton = triton
        self._policy = policy

    @rpc
    async def SimilarItems(  # noqa: N802  (the contract's name)
        self, request: recommendation_pb2.SimilarItemsRequest, context: Context
    ) -> recommendation_pb2.SimilarItemsResponse:
        """Answer with a page of similar items."""
        page_size = page_size_of(request)
        policy = policy_of(request.ranking, self._policy)
        serving = self._serving.current()
        live = serving.live
        subject = await self._subject(request, serving, context)
        query = Query(
            vector=subject.vector,
            page_size=page_size,
            policy=policy,
            price=subject.price,
            category_path=subject.category_path,
            currency=request.ranking.price_currency_code or None,
            row=subject.row,
            excluded_rows=_rows_of(live, request.ranking.excluded_item_ids),
        )
        page = serving.recommender.recommend(query)
        metrics.observe_page(
            short=len(page.rows) < page_size, exact_scan=page.trace.exact_scan, widenings=page.trace.widenings
        )
        manifest = serving.generation.manifest
        return recommendation_pb2.SimilarItemsResponse(
            items=_item_messages(page, live),
            generation_id=manifest.generation_id,
            encoder_id=manifest.encoder_id,
            catalogue_exhausted=page.exhausted,
            explanation=_explanation(page, policy, subject.embed_us) if request.explain else None,
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
            ),
            ranking_policy=recommendation_pb2.RankingPolicy(
                max_price_ratio=self._policy.max_price_ratio,
                category_weight=self._policy.category_weight,
                candidates=self._policy.candidates,
            ),
        )
        try:
            manifest = self._serving.current().generation.manifest
        except Unavailable:
            return answer
        answer.encoder_id = manifest.encoder_id
        answer.dimensions = manifest.dimensions
        answer.generation.generation_id = manifest.generation_id
        answer.generation.built_at.FromDatetime(datetime.fromisoformat(manifest.built_at))
        answer.generation.items = manifest.items
        answer.generation.feed_position = manifest.feed_position
        answer.generation.recall_at_20 = manifest.quality.recall_at_20
        answer.generation.reachable_share = manifest.quality.reachable_share
        return answer

    async def _subject(
        self, request: recommendation_pb2.SimilarItemsRequest, serving: Serving, context: Context
    ) -> _Subject:
        match request.WhichOneof("query"):
            case "item_id":
                return await self._item_subject(request.item_id, serving)
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

    async def _item_subject(self, item_id: str, serving: Serving) -> _Subject:
        check_item_id(item_id)
        live = serving.live
        row = live.row_of(item_id)
        if row is None:
            return await asyncio.to_thread(self._stored_subject, item_id, serving.generation.manifest.encoder_id)
        return _Subject(live.embedding(row), live.price(row), live.category_path(row), row)

    def _stored_subject(self, item_id: str, encoder_id: str) -> _Subject:
        """Look up an item that came after the generation was built."""
        stored = self._store.get(item_id)
        if stored is None:
            raise ItemNotFound(item_id)
        vector = EmbeddingTaskStore(self._database, encoder_id).vector(item_id)
        return _Subject(vector, stored.item.price, stored.item.category_path)

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
            f"the embedding is of encoder {query.encoder_id[:64]!r}; this server compares those of "
            f"{manifest.encoder_id}",
            field="embedding.encoder_id",
        )
    return _Subject(embedding_from(query, manifest.dimensions), price, path)


def _rows_of(live: LiveColumns, item_ids: Iterable[str]) -> NDArray[np.int64]:
    rows = {live.row_of(item_id) for item_id in item_ids} - {None}
    return np.array(sorted(row for row in rows if row is not None), dtype=np.int64)


def _item_messages(page: Page, live: LiveColumns) -> list[recommendation_pb2.SimilarItem]:
    count = len(page.rows)
    ratios = [None] * count if page.price_ratios is None else page.price_ratios.tolist()
    similarities = [None] * count if page.category_similarities is None else page.category_similarities.tolist()
    return [
        recommendation_pb2.SimilarItem(
            item_id=live.item_id(row), score=score, cosine=cosine, price_ratio=ratio, category_similarity=similarity
        )
        for row, score, cosine, ratio, similarity in zip(
            page.rows.tolist(), page.scores.tolist(), page.cosines.tolist(), ratios, similarities, strict=True
        )
    ]


def _explanation(page: Page, policy: RankingPolicy, embed_us: int) -> recommendation_pb2.Explanation:
    trace = page.trace
    return recommendation_pb2.Explanation(
        max_price_ratio=float("inf") if page.price_ratios is None else policy.max_price_ratio,
        category_weight=0.0 if page.category_similarities is None else policy.category_weight,
        band_items=trace.band_items,
        candidates=trace.candidates,
        dropped_not_recommendable=trace.dropped_not_recommendable,
        dropped_by_price=trace.dropped_by_price,
        dropped_by_exclusion=trace.dropped_by_exclusion,
        widenings=trace.widenings,
        exact_scan=trace.exact_scan,
        embed_us=embed_us,
        search_us=trace.search_us,
        rank_us=trace.rank_us,
    )
