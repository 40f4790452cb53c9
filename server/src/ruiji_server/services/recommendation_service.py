"""`RecommendationService`: a query becomes an embedding with a price and a category, and then a page."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING

from ruiji.v1 import recommendation_pb2, recommendation_pb2_grpc
from ruiji_encoding.pictures import MAX_PICTURE_BYTES, MAX_PICTURE_PIXELS
from ruiji_events.units import UnitHasher
from ruiji_experiments.assignment import Asker

from ruiji_server.domain import limits
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.events.impressions import ImpressionLog, ServedPage
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Page, Query
from ruiji_server.services import metrics
from ruiji_server.services.batch import answer_each
from ruiji_server.services.explaining import NOTHING, Explaining, dropped_items, explaining_of
from ruiji_server.services.exploring import Explorer
from ruiji_server.services.failures import OK, Context, fail, rpc
from ruiji_server.services.interleaving import Contender, Contest, interleaved_answer
from ruiji_server.services.messages import (
    check_asker,
    generation_info,
    page_size_of,
    policy_of,
    similar_items_request,
)
from ruiji_server.services.pages import explanation, rows_of
from ruiji_server.services.request_ids import new_request_id
from ruiji_server.services.serving import Serving, ServingGenerations
from ruiji_server.services.subjects import Subject, Subjects, listed_subject
from ruiji_server.services.variants import RunningExperiments, forced_label, with_settings
from ruiji_server.services.wire import add_items
from ruiji_server.services.written_answers import WrittenAnswers
from ruiji_server.store.engine import Database

if TYPE_CHECKING:
    from ruiji_server.embedding.triton import TritonClient


class RecommendationService(recommendation_pb2_grpc.RecommendationServiceServicer):
    """Similar items over gRPC."""

    def __init__(
        self,
        serving: ServingGenerations,
        database: Database,
        triton: TritonClient | None,
        policy: RankingPolicy,
        pictures: PictureSource,
        experiments: RunningExperiments,
        impressions: ImpressionLog | None = None,
        units: UnitHasher | None = None,
        explorer: Explorer | None = None,
    ) -> None:
        """Prepare the service.

        Args:
            serving: the generations that answer.
            database: where items are looked up that the generation lacks.
            triton: embeds query pictures; None refuses them.
            policy: what requests depart from.
            pictures: where the pictures of items are read that are embedded for a query.
            experiments: whose variants requests get.
            impressions: logs a share of the answers; None logs none.
            explorer: puts chance into the order of pages; None leaves it out.
            units: hashes who asks; None keeps requests out of experiments, and who asks out of that log.
        """
        self._serving = serving
        self._policy = policy
        self._subjects = Subjects(database, triton, pictures)
        self._experiments = experiments
        written = None if explorer is not None else WrittenAnswers.of(serving, policy, experiments)
        self._answer_at_once: Callable[[bytes], bytes | None] = _never if written is None else written.answer
        self._impressions = impressions
        self._units = units
        self._explorer = explorer

    async def SimilarItems(  # type: ignore[override]  # noqa: N802  (bytes: see written_answers; the contract's name)
        self, request: bytes, context: Context
    ) -> bytes:
        """Answer with a page of similar items; request and answer are serialised."""
        # As `rpc` does it, without a second coroutine around an answer that is there at once.
        started = time.perf_counter()
        try:
            logged = self._impressions is not None and self._impressions.draws()
            answer = None if logged else self._answer_at_once(request)
            if answer is None:
                answer = await self._answer_by_messages(request, context, logged=logged)
        except BaseException as error:  # noqa: BLE001  (the boundary)
            await fail(context, "SimilarItems", started, error)
        metrics.observe_rpc("SimilarItems", OK, time.perf_counter() - started)
        return answer

    async def _answer_by_messages(self, serialised: bytes, context: Context, *, logged: bool) -> bytes:
        """Answer whatever is asked; `logged` says whether the impression log gets it."""
        request = similar_items_request(serialised)
        served = ServedPage(new_request_id(), request.item_id)
        with nullcontext() if self._impressions is None or not logged else self._impressions.logged(served):
            return (await self._answer(request, context, served)).SerializeToString()

    async def _answer(
        self, request: recommendation_pb2.SimilarItemsRequest, context: Context, served: ServedPage
    ) -> recommendation_pb2.SimilarItemsResponse:
        """Answer, and note in `served` what its log wants to know."""
        if request.unit_id:
            served.unit = self._unit_of(request)
        served.page_size = page_size = page_size_of(request)
        policy = policy_of(request.ranking, self._policy)
        forced = self._experiments.forced_settings(request.variant) if request.variant else None
        serving = self._chosen(request, None if forced is None else forced.encoder_id)
        subject = await self._subjects.find(request, serving, context)
        if forced is not None:
            policy = with_settings(policy, forced, request.ranking)
            served.variants = (forced_label(request.variant),)
        elif served.unit is not None and self._experiments.any:
            asker = Asker(served.unit, subject.category_path, dict(request.targeting))
            part = self._experiments.take_part(request, asker, serving, policy)
            if part.serving is not serving:
                serving, subject = part.serving, listed_subject(request.item_id, part.serving)
            policy, served.variants = part.policy, part.variants
            if part.contest is not None:
                answer = _interleaved(request, served, subject, serving, part.contest)
                if answer is not None:
                    return answer
        served.policy = policy
        explaining = explaining_of(request, serving.live)
        page = _page(
            subject, serving, page_size, policy, request.ranking, explain=request.explain, explaining=explaining
        )
        # Whoever forces a variant or asks how a page came about looks at the ranking itself.
        if self._explorer is not None and forced is None and not request.explain:
            page = self._explorer.explored(page)
        manifest = serving.generation.manifest
        answer = recommendation_pb2.SimilarItemsResponse(
            generation_id=manifest.generation_id,
            encoder_id=manifest.encoder_id,
            catalogue_exhausted=page.exhausted,
            explanation=explanation(page, policy, subject.embed_us) if request.explain else None,
            request_id=served.request_id,
            variants=served.variants or None,
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
            subject = await self._subjects.find_item(item_id, serving)
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

    def _unit_of(self, request: recommendation_pb2.SimilarItemsRequest) -> str | None:
        """Return the keyed hash of who asks; None where there is no key."""
        check_asker(request)
        return None if self._units is None else self._units.hash(request.unit_id)

    def _chosen(
        self, request: recommendation_pb2.SimilarItemsRequest, variant_encoder_id: str | None = None
    ) -> Serving:
        encoder_id = request.encoder_id or variant_encoder_id or ""
        match request.WhichOneof("query"):
            case "embedding":
                # It says itself whose it is. If that encoder does not serve, `Subjects` refuses it.
                own = self._serving.get(request.embedding.encoder_id)
                if own is not None and not request.encoder_id:
                    return own
                query = b""
            case "picture":
                query = request.picture.content
            case _:
                return self._serving.choose_for_item(encoder_id, request.item_id)
        return self._serving.choose(encoder_id, query)


def _never(_request: bytes) -> None:
    """Answer nothing."""


def _interleaved(
    request: recommendation_pb2.SimilarItemsRequest,
    served: ServedPage,
    subject: Subject,
    serving: Serving,
    contest: Contest,
) -> recommendation_pb2.SimilarItemsResponse | None:
    """Answer by both variants of an experiment; None if that fails.

    Args:
        request: what is asked.
        served: the answer as it comes about.
        subject: what it is about, as `serving` sees it.
        serving: what would answer without the experiment.
        contest: the experiment.
    """
    page_size = page_size_of(request)

    def page_of(contender: Contender) -> Page:
        about = subject
        if contender.serving is not serving:
            seen = listed_subject(request.item_id, contender.serving)
            # Price and category are the item's, and the same for both even if one generation is a change behind.
            about = replace(seen, price=subject.price, category_path=subject.category_path)
        return _page(about, contender.serving, page_size, contender.policy, request.ranking)

    return interleaved_answer(contest, served, page_size, page_of)


def _page(
    subject: Subject,
    serving: Serving,
    page_size: int,
    policy: RankingPolicy,
    overrides: recommendation_pb2.RankingOverrides,
    *,
    explain: bool = False,
    explaining: Explaining = NOTHING,
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
    if serving.shadow is not None and serving.shadow.draws():
        serving.shadow.compare(query, serving)
    metrics.observe_page(
        short=len(page.rows) < page_size, exact_scan=page.trace.exact_scan, widenings=page.trace.widenings
    )
    return page
