"""Everything a call can raise.

RuijiClientError                 any status without a class of its own
InvalidArgumentError           INVALID_ARGUMENT      the request is at fault; `field` says where
NotFoundError                  NOT_FOUND
AlreadyExistsError             ALREADY_EXISTS        what should be new is there
AbortedError                   ABORTED               somebody else changed it; read it again
FailedPreconditionError        FAILED_PRECONDITION   not in the state that the call needs; `reason` says which
ResourceExhaustedError         RESOURCE_EXHAUSTED    a limit was reached; not worth an immediate retry
UnauthenticatedError           UNAUTHENTICATED       the token is missing or not accepted
PermissionDeniedError          PERMISSION_DENIED     the token is accepted, but not for this call
UnavailableError               UNAVAILABLE, CANCELLED   still away, or ending calls, after all retries
DeadlineExceededError          DEADLINE_EXCEEDED     not known whether the server did the work
InternalError                  INTERNAL, UNKNOWN, DATA_LOSS   a defect of the server
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, cast

import grpc
from google.protobuf.message import DecodeError
from ruiji.v1.common_pb2 import ErrorDetail

ERROR_DETAIL_KEY: Final = "ruiji-error-bin"
"""Trailing metadata that carries a serialised `ruiji.v1.ErrorDetail`."""


class RuijiClientError(Exception):
    """A call that failed. The gRPC error is its `__cause__`.

    Attributes:
        code: the gRPC status.
        reason: stable, for programs, such as "ITEM_NOT_FOUND"; empty if the failure did not come from Ruiji itself
            (a connection, a proxy, gRPC).
        message: for people; may change between releases.
        field: the request field at fault as a path; empty where none is.
    """

    def __init__(self, code: grpc.StatusCode, reason: str, message: str, field: str) -> None:
        # All four are args, so that the error survives pickling on its way out of a worker process.
        super().__init__(code, reason, message, field)
        self.code = code
        self.reason = reason
        self.message = message
        self.field = field

    def __str__(self) -> str:
        where = f" (field {self.field})" if self.field else ""
        return f"{self.code.name} {self.reason}: {self.message}{where}".replace(" :", ":", 1)


class InvalidArgumentError(RuijiClientError):
    """The request is at fault; repeating it will not help."""


class NotFoundError(RuijiClientError):
    """There is no such item, experiment or report, or it was deleted."""


class AlreadyExistsError(RuijiClientError):
    """What should be new is there."""


class AbortedError(RuijiClientError):
    """Somebody else changed it meanwhile; read it again, and decide anew."""


class FailedPreconditionError(RuijiClientError):
    """The item or the encoder is not in the state that the call needs; `reason` says whether waiting helps."""


class ResourceExhaustedError(RuijiClientError):
    """A limit was reached: a message too large, a full disk."""


class UnauthenticatedError(RuijiClientError):
    """The token is missing or was not accepted."""


class PermissionDeniedError(RuijiClientError):
    """The token does not allow this call."""


class UnavailableError(RuijiClientError):
    """The server, or something behind it, is away, and stayed away through all retries.

    Its code may be CANCELLED, although nobody cancelled: so a gRPC server that stops, or is overloaded, drops calls
    that it has not begun.
    """


class DeadlineExceededError(RuijiClientError):
    """Time ran out. The server may or may not have done the work."""


class InternalError(RuijiClientError):
    """A defect of the server; its log knows more."""


_CLASSES: Final[dict[grpc.StatusCode, type[RuijiClientError]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.ABORTED: AbortedError,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPreconditionError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.CANCELLED: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNKNOWN: InternalError,
    grpc.StatusCode.DATA_LOSS: InternalError,
}


def client_error(error: grpc.RpcError) -> RuijiClientError:
    """Turn what gRPC raised, sync or aio, into the client's own error; raise it `from` the original."""
    code = error.code()
    detail = _error_detail(error)
    message = detail.message or error.details() or "the server gave no message"
    return _CLASSES.get(code, RuijiClientError)(code, detail.reason, message, detail.field)


def _error_detail(error: grpc.RpcError) -> ErrorDetail:
    # Pairs in both kinds of client, which grpc-stubs does not know.
    trailing = cast("Iterable[tuple[str, bytes]]", error.trailing_metadata() or ())
    for key, value in trailing:
        if key == ERROR_DETAIL_KEY:
            try:
                return ErrorDetail.FromString(value)
            except DecodeError:
                # Mangled on the way, by a proxy for one. The status still stands, and is what the caller must learn.
                break
    return ErrorDetail()
