"""`SimilarItems` answers that are written in the wire format from the start: those of most requests.

An item of a generation, asked for without experiments, explanations, exclusions or chance in the order, gets its answer
from one call of the compiled kernel, out of the bytes of the request. Neither ever is a message in this process.
"""

from __future__ import annotations

import functools
from typing import Final

import grpc
from ruiji.v1 import recommendation_pb2, recommendation_pb2_grpc

from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument
from ruiji_server.kernels.answering import NEVER, Answering, Choice, Contract, Remarks
from ruiji_server.kernels.library import KERNELS
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Query
from ruiji_server.services import metrics
from ruiji_server.services.handlers import add_service
from ruiji_server.services.messages import page_size_of, policy_of, similar_items_request
from ruiji_server.services.request_ids import REQUEST_ID_CHARS
from ruiji_server.services.serving import Serving, ServingGenerations
from ruiji_server.services.subjects import listed_subject
from ruiji_server.services.variants import RunningExperiments
from ruiji_server.services.wire import tags_in

_REQUEST: Final = recommendation_pb2.SimilarItemsRequest
_ANSWER: Final = recommendation_pb2.SimilarItemsResponse
TAGS: Final = tags_in(_ANSWER.DESCRIPTOR)
_NUMBERS: Final = {field.name: field.number for field in _REQUEST.DESCRIPTOR.fields}
CONTRACT: Final = Contract(
    item=_NUMBERS["item_id"],
    settings=[_NUMBERS[name] for name in ("page_size", "ranking", "encoder_id")],
    unit=_NUMBERS["unit_id"],
    attributes=_NUMBERS["targeting"],
    # An item of the generation has its embedding.
    idle=[_NUMBERS["embed_if_missing"]],
    unit_bytes=limits.MAX_UNIT_ID_CHARS,
    attributes_at_most=limits.MAX_TARGETING_ATTRIBUTES,
    attribute_name_bytes=limits.MAX_TARGETING_NAME_CHARS,
    attribute_value_bytes=limits.MAX_TARGETING_VALUE_CHARS,
    exhausted=_ANSWER(catalogue_exhausted=True).SerializeToString(),
)


class WrittenAnswers:
    """Answers requests that need no more than the kernel. Use it in one event loop.

    Attributes:
        answer: answers a serialised request by a serialised answer; None where that has to be done the long way.
    """

    def __init__(self, serving: ServingGenerations, policy: RankingPolicy, experiments: RunningExperiments) -> None:
        """Prepare.

        Args:
            serving: the generations that answer.
            policy: what requests depart from.
            experiments: in which requests of known units take part.

        Raises:
            ValueError: there are no kernels.
        """
        self._serving = serving
        self._policy = policy
        self._shadow = serving.shadow
        self._answering = Answering(CONTRACT, self._choices, self._heed)
        self._draw()
        self.answer = self._answering.answer
        # What a plan points to is only there while its generations answer.
        serving.when_changed(self._answering.forget)

        def heed_units() -> None:
            self._answering.heed_units(heeded=experiments.any)

        experiments.when_changed(heed_units)
        heed_units()

    @classmethod
    def of(
        cls, serving: ServingGenerations, policy: RankingPolicy, experiments: RunningExperiments
    ) -> WrittenAnswers | None:
        """Return such answers, or None where there are no kernels."""
        return None if KERNELS is None else cls(serving, policy, experiments)

    def _heed(self, remarks: Remarks, request: bytes) -> None:
        """Count an answer, or compare it with exact search."""
        metrics.observe_page(short=Remarks.SHORT in remarks, exact_scan=Remarks.EXACT_SCAN in remarks, widenings=0)
        if Remarks.WATCHED in remarks and self._shadow is not None:
            self._draw()
            self._shadow.compare(*self._asked(request))

    def _draw(self) -> None:
        gap = None if self._shadow is None else self._shadow.gap()
        self._answering.watch_after(NEVER if gap is None else gap)

    def _choices(self, settings: bytes) -> list[Choice]:
        """Return what answers requests with some settings; nothing leaves them to the long way."""
        try:
            request = similar_items_request(settings)
            overrides = request.ranking
            if overrides.excluded_item_ids or overrides.price_currency_code:
                return []
            page_size, policy = page_size_of(request), policy_of(overrides, self._policy)
        except InvalidArgument:
            # The long way says what is wrong.
            return []
        return [
            _choice(serving, share_end, page_size, policy)
            for serving, share_end in self._serving.shares_for(request.encoder_id)
        ]

    def _asked(self, request: bytes) -> tuple[Query, Serving]:
        """Return what a request that was answered is about, and what answered it."""
        message = similar_items_request(request)
        serving = self._serving.choose_for_item(message.encoder_id, message.item_id)
        subject, policy = listed_subject(message.item_id, serving), policy_of(message.ranking, self._policy)
        query = Query(
            subject.vector, page_size_of(message), policy, subject.price, subject.category_path, row=subject.row
        )
        return query, serving


def add_to_server(service: recommendation_pb2_grpc.RecommendationServiceServicer, server: grpc.aio.Server) -> None:
    """Add the service as its generated function does, except that `SimilarItems` takes and gives bytes."""
    handler = grpc.unary_unary_rpc_method_handler(service.SimilarItems)
    add_service(recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server, service, server)
    # What is registered goes before what is found by name.
    name = recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"].full_name
    server.add_registered_method_handlers(name, {"SimilarItems": handler})  # type: ignore[attr-defined]  # not in grpc-stubs


def _choice(serving: Serving, share_end: float, page_size: int, policy: RankingPolicy) -> Choice:
    listed, manifest = serving.recommender.listed, serving.generation.manifest
    return Choice(
        share_end,
        None if listed is None else listed.catalogue,
        None if listed is None else listed.wanted(policy, page_size, TAGS),
        _opening(manifest.generation_id, manifest.encoder_id),
    )


@functools.lru_cache(maxsize=64)
def _opening(generation_id: str, encoder_id: str) -> bytes:
    """Return what answers of a generation have in common, up to the digits of the request id."""
    blank = "0" * REQUEST_ID_CHARS
    # A field's bytes do not depend on the others, and may stand in any order.
    last = _ANSWER(request_id=blank).SerializeToString().removesuffix(blank.encode())
    return _ANSWER(generation_id=generation_id, encoder_id=encoder_id).SerializeToString() + last
