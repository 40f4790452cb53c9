"""Services are added by name: a registered method would cost every call of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import grpc
from ruiji.v1 import catalog_pb2, catalog_pb2_grpc
from ruiji_server.services.handlers import add_service


class _Recorder:
    """A server that keeps what is added to it."""

    def __init__(self) -> None:
        self.generic: list[grpc.GenericRpcHandler[Any, Any]] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler[Any, Any]]) -> None:
        self.generic.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        raise AssertionError(f"{service} registers {handlers}")


class _Catalogue(catalog_pb2_grpc.CatalogServiceServicer):
    pass


class _Call(grpc.HandlerCallDetails):
    def __init__(self, method: str) -> None:
        self.method, self.invocation_metadata = method, ()


def test_every_method_is_found_by_name_and_none_is_registered() -> None:
    server = _Recorder()
    add_service(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, _Catalogue(), cast("grpc.aio.Server", server))
    (handler,) = server.generic
    service = catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"]
    for method in service.methods:
        assert handler.service(_Call(f"/{service.full_name}/{method.name}")) is not None
    assert handler.service(_Call(f"/{service.full_name}/Nothing")) is None
