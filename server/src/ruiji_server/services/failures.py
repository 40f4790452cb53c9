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
        code = grpc.StatusCode.OK
        try:
            return await method(self, request, context)
        except asyncio.CancelledError:
            # The caller left, or its deadline passed.
            code = grpc.StatusCode.CANCELLED
            raise
        except RuijiError as error:
            code = status_code(error)
            await _abort(context, code, error_detail(error))
        except Exception:  # noqa: BLE001  (the boundary: what happened inside is logged here, and stays inside)
            code = grpc.StatusCode.INTERNAL
            _LOG.exception("%s failed", name)
            detail = common_pb2.ErrorDetail(reason=INTERNAL_REASON, message="internal error; the server's log has it")
            await _abort(context, code, detail)
        finally:
            metrics.observe_rpc(name, code.name, time.perf_counter() - started)

    return answer


async def _abort(context: Context, code: grpc.StatusCode, detail: common_pb2.ErrorDetail) -> NoReturn:
    await context.abort(code, detail.message, ((ERROR_METADATA_KEY, detail.SerializeToString()),))
