"""`SimilarItems` answers that are written in the wire format from the start: those of most requests.

An item of the generation, asked for without experiments, explanations, exclusions or chance in the order, gets its page
from one call of the compiled kernel. Nothing of it ever is a message in this process.
"""

from __future__ import annotations

import functools
from typing import Final

import grpc
from google.protobuf.message import Message
from ruiji.v1 import recommendation_pb2, recommendation_pb2_grpc

from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.query import Query
from ruiji_server.services import metrics
from ruiji_server.services.handlers import add_service
from ruiji_server.services.messages import check_asker, page_size_of, policy_of
from ruiji_server.services.request_ids import REQUEST_ID_CHARS, new_request_id
from ruiji_server.services.serving import Serving, ServingGenerations
from ruiji_server.services.subjects import listed_subject
from ruiji_server.services.variants import RunningExperiments
from ruiji_server.services.wire import tags_in

_ANSWER: Final = recommendation_pb2.SimilarItemsResponse
_TAGS: Final = tags_in(_ANSWER.DESCRIPTOR)
_EXHAUSTED: Final = _ANSWER(catalogue_exhausted=True).SerializeToString()


class WrittenAnswers:
    """Answers requests that need no more than the kernel. Use it in one event loop."""

    def __init__(self, serving: ServingGenerations, policy: RankingPolicy, experiments: RunningExperiments) -> None:
        """Prepare.

        Args:
            serving: the generations that answer.
            policy: what requests depart from.
            experiments: in which requests of known units take part.
        """
        self._serving = serving
        self._policy = policy
        self._experiments = experiments

    def answer(self, request: recommendation_pb2.SimilarItemsRequest) -> bytes | None:
        """Return a `SimilarItemsResponse`, serialised, or None if the request has to be answered the long way."""
        overrides = request.ranking
        if (
            not request.item_id
            or request.explain
            or request.variant
            or overrides.excluded_item_ids
            or overrides.price_currency_code
        ):
            return None
        if request.unit_id:
            check_asker(request)
            if self._experiments.any:
                return None
        page_size, policy = page_size_of(request), policy_of(overrides, self._policy)
        serving = self._serving.choose_for_item(request.encoder_id, request.item_id)
        page = serving.recommender.written_page(request.item_id, policy, page_size, _TAGS)
        if page is None:
            return None
        if serving.shadow is not None:
            serving.shadow.offer(lambda: _query(request.item_id, serving, policy, page_size), serving)
        metrics.observe_page(short=page.items < page_size, exact_scan=page.exact_scan, widenings=0)
        manifest = serving.generation.manifest
        beginning = _beginning(manifest.generation_id, manifest.encoder_id)
        end = _EXHAUSTED if page.exhausted else b""
        return b"".join((beginning, new_request_id().encode(), page.content, end))


def add_to_server(service: recommendation_pb2_grpc.RecommendationServiceServicer, server: grpc.aio.Server) -> None:
    """Add the service as its generated function does, except that `SimilarItems` may answer with bytes."""
    handler = grpc.unary_unary_rpc_method_handler(
        service.SimilarItems,
        request_deserializer=recommendation_pb2.SimilarItemsRequest.FromString,
        response_serializer=_serialised,
    )
    add_service(recommendation_pb2_grpc.add_RecommendationServiceServicer_to_server, service, server)
    # What is registered goes before what is found by name.
    name = recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"].full_name
    server.add_registered_method_handlers(name, {"SimilarItems": handler})  # type: ignore[attr-defined]  # not in grpc-stubs


@functools.lru_cache(maxsize=64)
def _beginning(generation_id: str, encoder_id: str) -> bytes:
    """Return what answers of a generation have in common, up to the digits of the request id."""
    blank = "0" * REQUEST_ID_CHARS
    # A field's bytes do not depend on the others, and may stand in any order.
    last = _ANSWER(request_id=blank).SerializeToString().removesuffix(blank.encode())
    return _ANSWER(generation_id=generation_id, encoder_id=encoder_id).SerializeToString() + last


def _serialised(answer: Message | bytes) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


def _query(item_id: str, serving: Serving, policy: RankingPolicy, page_size: int) -> Query:
    subject = listed_subject(item_id, serving)
    return Query(subject.vector, page_size, policy, subject.price, subject.category_path, row=subject.row)
