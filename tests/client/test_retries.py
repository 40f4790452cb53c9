"""Calls are repeated when the contract says so, with the same request, and not otherwise."""

from __future__ import annotations

import re

import grpc
import pytest
from ruiji.v1 import (
    catalog_pb2_grpc,
    events_pb2_grpc,
    experiments_pb2_grpc,
    operations_pb2_grpc,
    recommendation_pb2_grpc,
)
from ruiji_client import ClientSettings, InternalError, Item, Price, Retries, RuijiClient, UnavailableError
from ruiji_client._channel import RETRYABLE_CODES

from tests.support.clients import OpenClient
from tests.support.reference_server import Fault, ReferenceServer

AWAY = Fault(grpc.StatusCode.UNAVAILABLE)
QUICK = Retries(initial_backoff_s=0.01, max_backoff_s=0.02)
CONTRACT = {
    "ruiji.v1.RecommendationService": recommendation_pb2_grpc.RecommendationServiceServicer,
    "ruiji.v1.CatalogService": catalog_pb2_grpc.CatalogServiceServicer,
    "ruiji.v1.EventService": events_pb2_grpc.EventServiceServicer,
    "ruiji.v1.ExperimentService": experiments_pb2_grpc.ExperimentServiceServicer,
    "ruiji.v1.OperationsService": operations_pb2_grpc.OperationsServiceServicer,
}


@pytest.fixture
def client(open_client: OpenClient, server: ReferenceServer) -> RuijiClient:
    return open_client(ClientSettings(server.target, retries=QUICK))


def worth_a_retry(documentation: str) -> set[str]:
    """Return the codes whose sentence in the contract ends in "worth a retry"."""
    sentences = re.findall(r"Returns\s+`([A-Z_]+)`(.*?)(?=Returns\s+`|\Z)", documentation, re.DOTALL)
    return {code for code, text in sentences if re.search(r"worth\s+a\s+retry", text, re.IGNORECASE)}


@pytest.mark.parametrize("rpc", RETRYABLE_CODES)
def test_the_codes_retried_are_those_that_the_contract_calls_worth_it(rpc: str) -> None:
    service, method = rpc.split("/")
    documentation = getattr(CONTRACT[service], method).__doc__
    # Info promises no status at all; what the transport adds, a connection that is gone, is safe to retry all the same.
    expected = {"UNAVAILABLE"} if method == "Info" else worth_a_retry(documentation)
    assert set(RETRYABLE_CODES[rpc]) == expected


def test_each_rpc_has_a_retry_policy() -> None:
    rpcs = {
        f"{service}/{method}"
        for service, servicer in CONTRACT.items()
        for method in vars(servicer)
        if not method.startswith("_")
    }
    assert set(RETRYABLE_CODES) == rpcs


def test_a_server_that_is_away_for_a_moment_is_asked_again(client: RuijiClient, server: ReferenceServer) -> None:
    server.faults.extend([AWAY, AWAY])
    assert client.info().server_version == "reference"
    assert len(server.calls("Info")) == 3


def test_a_call_that_a_closing_server_dropped_is_made_again(client: RuijiClient, server: ReferenceServer) -> None:
    server.faults.append(Fault(grpc.StatusCode.CANCELLED))
    assert client.info().server_version == "reference"
    assert len(server.calls("Info")) == 2


def test_after_the_last_attempt_the_failure_comes_out(client: RuijiClient, server: ReferenceServer) -> None:
    server.every_call = AWAY
    with pytest.raises(UnavailableError):
        client.info()
    assert len(server.calls("Info")) == QUICK.max_attempts


def test_a_failure_that_would_repeat_itself_is_not_retried(client: RuijiClient, server: ReferenceServer) -> None:
    server.every_call = Fault(grpc.StatusCode.INTERNAL)
    with pytest.raises(InternalError):
        client.info()
    assert len(server.calls("Info")) == 1


def test_all_attempts_of_an_upsert_carry_one_request_id(client: RuijiClient, server: ReferenceServer) -> None:
    server.faults.extend([AWAY, AWAY])
    answer = client.upsert_items([Item(item_id="a", price=Price(amount_minor=1, currency_code="JPY"))])
    assert not answer.replayed
    attempts = server.calls("UpsertItems")
    assert len(attempts) == 3
    assert len({attempt.request.SerializeToString() for attempt in attempts}) == 1


def test_a_picture_query_is_retried_whatever_its_size(client: RuijiClient, server: ReferenceServer) -> None:
    """GRPC's own buffer for retries, 256 KiB, would give up on pictures without a word."""
    server.faults.extend([AWAY, AWAY])
    client.similar_items(picture=b"\x89PNG" + bytes(3_000_000))
    assert len(server.calls("SimilarItems")) == 3


def test_retries_can_be_turned_off(open_client: OpenClient, server: ReferenceServer) -> None:
    server.faults.append(AWAY)
    with pytest.raises(UnavailableError):
        open_client(ClientSettings(server.target, retries=None)).info()
    assert len(server.calls("Info")) == 1


def test_while_most_calls_fail_retries_stop(open_client: OpenClient, server: ReferenceServer) -> None:
    """Otherwise each client would ask a server that is down four times instead of once."""
    retries = Retries(initial_backoff_s=0.01, max_backoff_s=0.02, throttle_tokens=10)
    client = open_client(ClientSettings(server.target, retries=retries))
    server.every_call = AWAY
    for _ in range(5):
        with pytest.raises(UnavailableError):
            client.info()
    # Ten tokens let five attempts fail; then half is gone, and each further call is tried once.
    assert len(server.calls("Info")) < 5 * retries.max_attempts / 2
