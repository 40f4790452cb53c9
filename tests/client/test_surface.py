"""What the package shows is chosen, complete and light."""

from __future__ import annotations

import inspect

import pytest
import ruiji_client
from ruiji.v1 import catalog_pb2, events_pb2, experiments_pb2, operations_pb2, recommendation_pb2
from ruiji_client import AsyncRuijiClient, RuijiClient

SERVICES = [
    recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"],
    catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"],
    operations_pb2.DESCRIPTOR.services_by_name["OperationsService"],
    events_pb2.DESCRIPTOR.services_by_name["EventService"],
    experiments_pb2.DESCRIPTOR.services_by_name["ExperimentService"],
]


def snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


def public_methods(client: type) -> set[str]:
    return {name for name, _ in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}


def test_the_public_names_change_only_on_purpose() -> None:
    assert ruiji_client.__all__ == [
        "AbortedError",
        "AlreadyExistsError",
        "AssignmentCheck",
        "AsyncRuijiClient",
        "Category",
        "ClientSettings",
        "Connection",
        "DeadlineExceededError",
        "Deadlines",
        "DeleteItemsResponse",
        "DroppedItem",
        "EmbeddingStatus",
        "EncoderStatus",
        "ErrorDetail",
        "Estimate",
        "Event",
        "EventOutcome",
        "Experiment",
        "ExperimentReport",
        "ExperimentRevision",
        "ExperimentStage",
        "ExperimentStatus",
        "ExperimentTarget",
        "FailedPreconditionError",
        "FoundItem",
        "GetItemResponse",
        "GuardrailReport",
        "GuardrailState",
        "ImpressionSource",
        "InfoResponse",
        "InternalError",
        "InvalidArgumentError",
        "Item",
        "ItemState",
        "ListCategoriesResponse",
        "MeasureReport",
        "NotFoundError",
        "PermissionDeniedError",
        "Price",
        "PublishedReport",
        "RampStep",
        "RecordEventsResponse",
        "ResourceExhaustedError",
        "Retries",
        "RuijiClient",
        "RuijiClientError",
        "SearchItemsResponse",
        "SimilarItem",
        "SimilarItemsBatchResponse",
        "SimilarItemsOutcome",
        "SimilarItemsResponse",
        "StatusResponse",
        "Tls",
        "UnauthenticatedError",
        "UnavailableError",
        "UpsertItemsResponse",
        "UpsertOutcome",
        "Variant",
        "VariantAssignment",
        "VariantReport",
        "impression_event",
        "purchase_event",
        "tap_event",
    ]
    assert all(hasattr(ruiji_client, name) for name in ruiji_client.__all__)


@pytest.mark.parametrize("client", [RuijiClient, AsyncRuijiClient])
def test_each_rpc_of_the_contract_has_a_method(client: type) -> None:
    rpcs = {snake_case(method.name) for service in SERVICES for method in service.methods}
    assert public_methods(client) == rpcs | {"close"}


def test_both_clients_take_the_same_arguments_and_return_the_same_messages() -> None:
    for name in public_methods(RuijiClient):
        assert inspect.signature(getattr(AsyncRuijiClient, name)) == inspect.signature(getattr(RuijiClient, name)), name


def test_each_field_of_the_query_can_be_said() -> None:
    """A field that the contract gains must reach the method, or this fails."""
    arguments = set(inspect.signature(RuijiClient.similar_items).parameters) - {"self", "timeout_s"}
    messages = ("SimilarItemsRequest", "PictureQuery", "EmbeddingQuery", "QueryContext", "RankingOverrides")
    fields = {f.name for name in messages for f in recommendation_pb2.DESCRIPTOR.message_types_by_name[name].fields}
    holders = {"ranking", "context"}
    renamed = {"content": "picture", "values": "embedding", "price_currency_code": "price_currency"}
    assert {renamed.get(name, name) for name in fields - holders} == arguments


def test_each_field_of_a_batch_can_be_said() -> None:
    arguments = set(inspect.signature(RuijiClient.similar_items_batch).parameters) - {"self", "timeout_s"}
    messages = ("SimilarItemsBatchRequest", "RankingOverrides")
    fields = {f.name for name in messages for f in recommendation_pb2.DESCRIPTOR.message_types_by_name[name].fields}
    renamed = {"price_currency_code": "price_currency"}
    assert {renamed.get(name, name) for name in fields - {"ranking"}} == arguments


def test_outside_an_event_loop_the_asyncio_client_refuses_to_be_made() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        AsyncRuijiClient("localhost:50051")
