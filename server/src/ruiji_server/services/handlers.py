"""Adding services to a server so that a call costs the same however many methods there are.

Generated code adds each method twice: as a generic handler, which is looked up by name, and as a registered one, which
saves that lookup. But grpc.aio waits for each registered method by a future of its own, and gathers them all anew for
every call: our twenty methods cost each call 6 % of its time. So only the busiest is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

import grpc

_Servicer = TypeVar("_Servicer")


def add_service(
    generated: Callable[[_Servicer, grpc.aio.Server], None], servicer: _Servicer, server: grpc.aio.Server
) -> None:
    """Add a service whose methods are found by name.

    Args:
        generated: the function `add_..._to_server` of the service.
        servicer: has the methods.
        server: not started yet.
    """
    generated(servicer, cast("grpc.aio.Server", _ByName(server)))


class _ByName:
    """The part of a server that generated functions use, without what registers methods."""

    def __init__(self, server: grpc.aio.Server) -> None:
        self._server = server

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler[Any, Any]]) -> None:
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Leave them out: each of them is a generic handler too."""
