"""A failure arrives as an exception of its own class, with the server's reason."""

from __future__ import annotations

import pickle

import grpc
import pytest
import ruiji_client
from ruiji_client import ClientSettings, ErrorDetail, RuijiClient, RuijiClientError

from tests.support.clients import OpenClient
from tests.support.reference_server import Fault, ReferenceServer

CLASSES = {
    "INVALID_ARGUMENT": ruiji_client.InvalidArgumentError,
    "NOT_FOUND": ruiji_client.NotFoundError,
    "ALREADY_EXISTS": ruiji_client.AlreadyExistsError,
    "ABORTED": ruiji_client.AbortedError,
    "FAILED_PRECONDITION": ruiji_client.FailedPreconditionError,
    "RESOURCE_EXHAUSTED": ruiji_client.ResourceExhaustedError,
    "UNAUTHENTICATED": ruiji_client.UnauthenticatedError,
    "PERMISSION_DENIED": ruiji_client.PermissionDeniedError,
    "UNAVAILABLE": ruiji_client.UnavailableError,
    "CANCELLED": ruiji_client.UnavailableError,
    "DEADLINE_EXCEEDED": ruiji_client.DeadlineExceededError,
    "INTERNAL": ruiji_client.InternalError,
    "UNKNOWN": ruiji_client.InternalError,
    "DATA_LOSS": ruiji_client.InternalError,
}


@pytest.fixture
def client(open_client: OpenClient, server: ReferenceServer) -> RuijiClient:
    """A client that does not retry, for failures are what is looked at."""
    return open_client(ClientSettings(server.target, retries=None))


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_each_status_has_its_exception(client: RuijiClient, server: ReferenceServer, code: grpc.StatusCode) -> None:
    detail = ErrorDetail(reason="SOME_REASON", message="what to do", field="picture.content")
    server.faults.append(Fault(code, detail))
    with pytest.raises(RuijiClientError) as caught:
        client.info()
    error = caught.value
    assert type(error) is CLASSES.get(code.name, RuijiClientError)
    assert (error.code, error.reason, error.message, error.field) == (
        code,
        "SOME_REASON",
        "what to do",
        "picture.content",
    )
    assert str(error) == f"{code.name} SOME_REASON: what to do (field picture.content)"
    assert isinstance(error.__cause__, grpc.RpcError)


@pytest.mark.parametrize("detail", [None, b"\xff\xff this is no ErrorDetail"], ids=["absent", "mangled"])
def test_without_a_readable_detail_the_status_and_its_text_remain(
    client: RuijiClient, server: ReferenceServer, detail: bytes | None
) -> None:
    server.faults.append(Fault(grpc.StatusCode.PERMISSION_DENIED, detail))
    with pytest.raises(ruiji_client.PermissionDeniedError) as caught:
        client.get_item("a")
    assert caught.value.reason == ""
    assert caught.value.field == ""
    assert str(caught.value) == "PERMISSION_DENIED: planned PERMISSION_DENIED"


def test_an_error_survives_the_way_out_of_a_worker_process(client: RuijiClient) -> None:
    with pytest.raises(ruiji_client.NotFoundError) as caught:
        client.get_item("nobody")
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301  (our own bytes)
    assert type(copy) is ruiji_client.NotFoundError
    assert (copy.code, copy.reason, copy.field) == (grpc.StatusCode.NOT_FOUND, "ITEM_NOT_FOUND", "item_id")


def test_one_class_catches_every_failure_of_a_call() -> None:
    assert all(issubclass(error, RuijiClientError) for error in CLASSES.values())
