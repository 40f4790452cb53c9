"""The gRPC server of one process: services, health, reflection, TLS, token, metrics, graceful drain."""

from __future__ import annotations

import asyncio
import hmac
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server
from ruiji.v1 import (
    catalog_pb2,
    catalog_pb2_grpc,
    events_pb2,
    events_pb2_grpc,
    experiments_pb2,
    experiments_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    recommendation_pb2,
)
from ruiji_events.units import UnitHasher, read_or_make_key

from ruiji_server.domain.limits import MAX_MESSAGE_BYTES
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.events.keeping import EventKeeping
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services import metrics, written_answers
from ruiji_server.services.catalogue_service import CatalogService
from ruiji_server.services.event_service import EventService
from ruiji_server.services.experiment_service import ExperimentService
from ruiji_server.services.exploring import Explorer
from ruiji_server.services.handlers import add_service
from ruiji_server.services.operations_service import OperationsService
from ruiji_server.services.recommendation_service import RecommendationService
from ruiji_server.services.serving import ServingGenerations
from ruiji_server.services.settings import ServerSettings, TlsSettings
from ruiji_server.services.shadow import ShadowQueries
from ruiji_server.services.variants import RunningExperiments
from ruiji_server.store.engine import Database

if TYPE_CHECKING:
    from ruiji_server.embedding.triton import TritonClient

__all__ = ["Server", "ServerSettings", "TlsSettings"]

_LOG = logging.getLogger(__name__)

_RECOMMENDATION: Final = recommendation_pb2.DESCRIPTOR.services_by_name["RecommendationService"].full_name
_OPERATIONS: Final = operations_pb2.DESCRIPTOR.services_by_name["OperationsService"].full_name
_EVENTS: Final = events_pb2.DESCRIPTOR.services_by_name["EventService"].full_name
_CATALOG: Final = catalog_pb2.DESCRIPTOR.services_by_name["CatalogService"].full_name
_EXPERIMENTS: Final = experiments_pb2.DESCRIPTOR.services_by_name["ExperimentService"].full_name
_SERVICES: Final = (_RECOMMENDATION, _CATALOG, _EVENTS, _EXPERIMENTS, _OPERATIONS)


class Server:
    """One serving process. Use as an asynchronous context manager."""

    def __init__(
        self,
        settings: ServerSettings,
        database: Database,
        generations: GenerationDirectory,
        pictures: PictureSource,
        triton: TritonClient | None,
    ) -> None:
        """Prepare a server.

        Args:
            settings: how it listens and ends.
            database: the item store.
            generations: where generations are published.
            pictures: which pictures outside the store may be referred to.
            triton: embeds query pictures; None refuses them.
        """
        self._settings = settings
        self._shadow = ShadowQueries(settings.shadow)
        self._serving = ServingGenerations(generations, database, self._shadow)
        self._experiments = RunningExperiments(database, self._serving)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # missing in grpc-stubs
        self._stack = AsyncExitStack()
        units = None if settings.unit_key is None else UnitHasher(read_or_make_key(settings.unit_key))
        events = None
        if settings.events is not None:
            events = EventKeeping(settings.events, metrics.observe_impressions_dropped)
            self._stack.push_async_callback(asyncio.to_thread, events.close)
        interceptors = [] if settings.token is None else [_TokenInterceptor(settings.token)]
        self._server = grpc.aio.server(
            interceptors=interceptors,
            maximum_concurrent_rpcs=settings.max_concurrent_rpcs,
            options=_channel_options(settings),
        )
        written_answers.add_to_server(
            RecommendationService(
                self._serving,
                database,
                triton,
                settings.ranking,
                pictures,
                self._experiments,
                None if events is None else events.impressions,
                units,
                None if settings.exploration is None else Explorer(settings.exploration),
            ),
            self._server,
        )
        add_service(
            events_pb2_grpc.add_EventServiceServicer_to_server,
            EventService(None if events is None else events.intake, units),
            self._server,
        )
        self._catalogue = CatalogService(database, pictures)
        add_service(catalog_pb2_grpc.add_CatalogServiceServicer_to_server, self._catalogue, self._server)
        add_service(
            operations_pb2_grpc.add_OperationsServiceServicer_to_server,
            OperationsService(self._serving, database),
            self._server,
        )
        add_service(
            experiments_pb2_grpc.add_ExperimentServiceServicer_to_server,
            ExperimentService(database, generations, self._serving, self._experiments),
            self._server,
        )
        add_service(health_pb2_grpc.add_HealthServicer_to_server, self._health, self._server)
        reflection.enable_server_reflection((*_SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        self.port = self._bind()

    async def __aenter__(self) -> Server:
        self._stack.push_async_callback(self._shadow.close)
        self._stack.push_async_callback(self._catalogue.close)
        ready = await self._serving.refresh()
        await self._experiments.refresh()
        await self._health.set(_CATALOG, health_pb2.HealthCheckResponse.SERVING)
        await self._report(ready=ready)
        await self._server.start()
        for following in (self._follow_generations(), self._serving.follow_changes()):
            self._stack.push_async_callback(_cancelled, asyncio.create_task(following))
        if self._settings.metrics_port is not None:
            metrics_server, _ = start_http_server(self._settings.metrics_port, addr="127.0.0.1")
            self._stack.callback(metrics_server.shutdown)
        _LOG.info("listening on port %d", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        # Calls end first: what they asked to be written is written, and nothing comes after it.
        await self._server.stop(grace=0)
        await self._stack.aclose()
        metrics.flush()

    async def drain(self) -> None:
        """Stop without failing a call: report NOT_SERVING, wait, refuse new calls, let the others end."""
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(self._settings.drain_s)
        await self._server.stop(grace=self._settings.grace_s)

    def _bind(self) -> int:
        tls = self._settings.tls
        try:
            if tls is None:
                return self._server.add_insecure_port(self._settings.address)
            credentials = grpc.ssl_server_credentials([(tls.key.read_bytes(), tls.certificate.read_bytes())])
            return self._server.add_secure_port(self._settings.address, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {self._settings.address}; is the port in use?") from error

    async def _follow_generations(self) -> None:
        while True:
            await asyncio.sleep(self._settings.generation_poll_s)
            await self._experiments.refresh()
            await self._report(ready=await self._serving.refresh())

    async def _report(self, *, ready: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set(_RECOMMENDATION, status)
        await self._health.set("", status)


def _channel_options(settings: ServerSettings) -> list[tuple[str, int]]:
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.so_reuseport", int(settings.shares_port)),
    ]
    if math.isfinite(settings.max_connection_age_s):
        options.append(("grpc.max_connection_age_ms", math.ceil(1000 * settings.max_connection_age_s)))
    return options


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


class _TokenInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in grpc-stubs only
    """Lets in who knows the token; health checks need none."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

        async def refuse(_request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:  # noqa: ANN401  (any RPC's)
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a valid token is needed: authorization: Bearer ...")

        self._refusal = grpc.unary_unary_rpc_method_handler(refuse)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any]]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any]:
        """Refuse a call without the token."""
        if handler_call_details.method.startswith(f"/{health.SERVICE_NAME}/"):
            return await continuation(handler_call_details)
        sent = next((value for key, value in handler_call_details.invocation_metadata if key == "authorization"), "")
        if hmac.compare_digest(sent.encode() if isinstance(sent, str) else sent, self._expected):
            return await continuation(handler_call_details)
        return self._refusal
