"""How a failure reaches the caller: status code, neutral message, and an `ErrorDetail` in the trailing metadata."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from ruiji.v1 import common_pb2

from ruiji_server.domain.errors import STATUS_NAMES, RuijiError
from ruiji_server.services import metrics

_LOG = logging.getLogger(__name__)

ERROR_METADATA_KEY: Final = "ruiji-error-bin"
INTERNAL_REASON: Final = "INTERNAL"
OK: Final = grpc.StatusCode.OK.name

Service = TypeVar("Service")
Request = TypeVar("Request", bound=Message | bytes)
Response = TypeVar("Response", bound=Message | bytes)
Context = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[[Service, Request, Context], Awaitable[Response]]


def status_code(error: RuijiError) -> grpc.StatusCode:
    """Return the gRPC status that a domain error becomes."""
    return grpc.StatusCode[STATUS_NAMES[type(error)]]


def error_detail(error: RuijiError) -> common_pb2.ErrorDetail:
    """Return a domain error in the form that callers get."""
    return common_pb2.ErrorDetail(reason=error.reason, message=error.message, field=error.field)


def rpc(method: Handler[Service, Request, Response]) -> Handler[Service, Request, Response]:
    """Make a method an RPC: its failures get their status, and it is counted and timed."""
    name = method.__name__

    @functools.wraps(method)
    async def answer(self: Service, request: Request, context: Context) -> Response:
        started = time.perf_counter()
        try:
            answered = await method(self, request, context)
        except BaseException as error:  # noqa: BLE001  (the boundary)
            await fail(context, name, started, error)
        metrics.observe_rpc(name, OK, time.perf_counter() - started)
        return answered

    return answer


async def fail(context: Context, name: str, started: float, error: BaseException) -> NoReturn:
    """Tell the caller what went wrong, as much as is theirs to know, and count it.

    Args:
        context: of the call.
        name: of the RPC.
        started: when it began, by `time.perf_counter`.
        error: why it fails.
    """
    code, detail = grpc.StatusCode.INTERNAL, None
    try:
        if isinstance(error, asyncio.CancelledError):
            # The caller left, or its deadline passed.
            code = grpc.StatusCode.CANCELLED
            raise error
        if isinstance(error, RuijiError):
            code, detail = status_code(error), error_detail(error)
        elif isinstance(error, Exception):
            # What happened inside is logged here, and stays inside.
            _LOG.error("%s failed", name, exc_info=error)
            detail = common_pb2.ErrorDetail(reason=INTERNAL_REASON, message="internal error; the server's log has it")
        else:
            raise error
        await _abort(context, code, detail)
    finally:
        metrics.observe_rpc(name, code.name, time.perf_counter() - started)


async def _abort(context: Context, code: grpc.StatusCode, detail: common_pb2.ErrorDetail) -> NoReturn:
    await context.abort(code, detail.message, ((ERROR_METADATA_KEY, detail.SerializeToString()),))
