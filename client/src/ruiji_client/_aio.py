"""The client for asyncio. Its methods and their arguments are those of the blocking one, and are explained there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self, TypeVar, cast

import grpc
import grpc.aio
from ruiji.v1.catalog_pb2 import (
    DeleteItemsResponse,
    GetItemRequest,
    GetItemResponse,
    Item,
    ListCategoriesResponse,
    SearchItemsResponse,
    UpsertItemsResponse,
)
from ruiji.v1.catalog_pb2_grpc import CatalogServiceStub
from ruiji.v1.common_pb2 import Price
from ruiji.v1.events_pb2 import Event, RecordEventsRequest, RecordEventsResponse
from ruiji.v1.events_pb2_grpc import EventServiceStub
from ruiji.v1.experiments_pb2_grpc import ExperimentServiceStub
from ruiji.v1.operations_pb2 import StatusRequest, StatusResponse
from ruiji.v1.operations_pb2_grpc import OperationsServiceStub
from ruiji.v1.recommendation_pb2 import InfoRequest, InfoResponse, SimilarItemsBatchResponse, SimilarItemsResponse
from ruiji.v1.recommendation_pb2_grpc import RecommendationServiceStub

from ruiji_client._aio_experiments import AsyncExperimentCalls
from ruiji_client._channel import call_metadata, channel_credentials, channel_options
from ruiji_client._errors import client_error
from ruiji_client._requests import (
    delete_items_request,
    list_categories_request,
    search_items_request,
    similar_items_batch_request,
    similar_items_request,
    upsert_items_request,
)
from ruiji_client._settings import ClientSettings

if TYPE_CHECKING:
    from types import TracebackType

    from ruiji.v1.catalog_pb2_grpc import CatalogServiceAsyncStub
    from ruiji.v1.events_pb2_grpc import EventServiceAsyncStub
    from ruiji.v1.experiments_pb2_grpc import ExperimentServiceAsyncStub
    from ruiji.v1.operations_pb2_grpc import OperationsServiceAsyncStub
    from ruiji.v1.recommendation_pb2_grpc import RecommendationServiceAsyncStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class AsyncRuijiClient(AsyncExperimentCalls):
    """Asks one Ruiji installation from the event loop in which it was made. Make one and keep it; it holds one channel.

    Args:
        settings: all settings, or just the target of a server in plaintext, such as "localhost:50051".

    Raises:
        RuntimeError: no event loop is running.
    """

    def __init__(self, settings: ClientSettings | str) -> None:
        self._settings = ClientSettings(target=settings) if isinstance(settings, str) else settings
        # Without a running loop gRPC would bind the channel to another one than its calls will run on.
        asyncio.get_running_loop()
        options = channel_options(self._settings)
        credentials = channel_credentials(self._settings)
        if credentials is None:
            self._channel = grpc.aio.insecure_channel(self._settings.target, options)
        else:
            self._channel = grpc.aio.secure_channel(self._settings.target, credentials, options)
        # The generated stub serves both kinds of channel; only the types are told apart.
        self._recommendation = cast("RecommendationServiceAsyncStub", RecommendationServiceStub(self._channel))
        self._catalog = cast("CatalogServiceAsyncStub", CatalogServiceStub(self._channel))
        self._events = cast("EventServiceAsyncStub", EventServiceStub(self._channel))
        self._operations = cast("OperationsServiceAsyncStub", OperationsServiceStub(self._channel))
        self._experiments = cast("ExperimentServiceAsyncStub", ExperimentServiceStub(self._channel))

    async def similar_items(
        self,
        *,
        item_id: str | None = None,
        picture: bytes | None = None,
        embedding: Sequence[float] | None = None,
        encoder_id: str | None = None,
        price: Price | None = None,
        category_path: Sequence[str] = (),
        page_size: int | None = None,
        max_price_ratio: float | None = None,
        category_weight: float | None = None,
        excluded_item_ids: Iterable[str] = (),
        price_currency: str | None = None,
        explain: bool = False,
        embed_if_missing: bool = False,
        unit_id: str | None = None,
        targeting: Mapping[str, str] | None = None,
        variant: str | None = None,
        explain_dropped: int = 0,
        explain_item_ids: Iterable[str] = (),
        timeout_s: float | None = None,
    ) -> SimilarItemsResponse:
        """Return the items that look like the query, best first; see `RuijiClient.similar_items`."""
        request = similar_items_request(
            item_id=item_id,
            picture=picture,
            embedding=embedding,
            encoder_id=encoder_id,
            price=price,
            category_path=category_path,
            page_size=page_size,
            max_price_ratio=max_price_ratio,
            category_weight=category_weight,
            excluded_item_ids=excluded_item_ids,
            price_currency=price_currency,
            explain=explain,
            embed_if_missing=embed_if_missing,
            unit_id=unit_id,
            targeting=targeting,
            variant=variant,
            explain_dropped=explain_dropped,
            explain_item_ids=explain_item_ids,
        )
        deadlines = self._settings.deadlines
        embeds = picture is not None or embed_if_missing
        default_s = deadlines.similar_items_by_picture_s if embeds else deadlines.similar_items_s
        return await self._call(self._recommendation.SimilarItems, request, timeout_s, default_s)

    async def similar_items_batch(
        self,
        item_ids: Iterable[str],
        *,
        encoder_id: str | None = None,
        page_size: int | None = None,
        max_price_ratio: float | None = None,
        category_weight: float | None = None,
        excluded_item_ids: Iterable[str] = (),
        price_currency: str | None = None,
        timeout_s: float | None = None,
    ) -> SimilarItemsBatchResponse:
        """Return a page for each of many items; see `RuijiClient.similar_items_batch`."""
        request = similar_items_batch_request(
            item_ids,
            encoder_id=encoder_id,
            page_size=page_size,
            max_price_ratio=max_price_ratio,
            category_weight=category_weight,
            excluded_item_ids=excluded_item_ids,
            price_currency=price_currency,
        )
        default_s = self._settings.deadlines.similar_items_batch_s
        return await self._call(self._recommendation.SimilarItemsBatch, request, timeout_s, default_s)

    async def info(self, *, timeout_s: float | None = None) -> InfoResponse:
        """Return what serves: versions, encoder, generation, limits, and the ranking policy in force."""
        return await self._call(self._recommendation.Info, InfoRequest(), timeout_s, self._settings.deadlines.info_s)

    async def upsert_items(
        self, items: Iterable[Item], *, request_id: str | None = None, timeout_s: float | None = None
    ) -> UpsertItemsResponse:
        """Create or replace items; see `RuijiClient.upsert_items`."""
        request = upsert_items_request(items, request_id)
        return await self._call(self._catalog.UpsertItems, request, timeout_s, self._settings.deadlines.upsert_items_s)

    async def delete_items(self, item_ids: Iterable[str], *, timeout_s: float | None = None) -> DeleteItemsResponse:
        """Delete items; an id that is not there is an outcome, not an error."""
        request = delete_items_request(item_ids)
        return await self._call(self._catalog.DeleteItems, request, timeout_s, self._settings.deadlines.delete_items_s)

    async def get_item(
        self, item_id: str, *, include_picture: bool = False, timeout_s: float | None = None
    ) -> GetItemResponse:
        """Return an item, and for each encoder whether it is embedded and if not, why not."""
        request = GetItemRequest(item_id=item_id, include_picture=include_picture)
        return await self._call(self._catalog.GetItem, request, timeout_s, self._settings.deadlines.get_item_s)

    async def search_items(
        self,
        text: str = "",
        *,
        category_prefix: Sequence[str] = (),
        item_id_prefix: str = "",
        page_size: int | None = None,
        page_token: str = "",
        timeout_s: float | None = None,
    ) -> SearchItemsResponse:
        """Return items by the words of their titles, by category or by id; see `RuijiClient.search_items`."""
        request = search_items_request(
            text,
            category_prefix=category_prefix,
            item_id_prefix=item_id_prefix,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(self._catalog.SearchItems, request, timeout_s, self._settings.deadlines.search_items_s)

    async def list_categories(
        self, category_path: Sequence[str] = (), *, encoder_id: str | None = None, timeout_s: float | None = None
    ) -> ListCategoriesResponse:
        """Return a category and those below it, with their coverage; see `RuijiClient.list_categories`."""
        request = list_categories_request(category_path, encoder_id)
        default_s = self._settings.deadlines.list_categories_s
        return await self._call(self._catalog.ListCategories, request, timeout_s, default_s)

    async def status(self, *, timeout_s: float | None = None) -> StatusResponse:
        """Return how the installation is doing; see `RuijiClient.status`."""
        default_s = self._settings.deadlines.status_s
        return await self._call(self._operations.Status, StatusRequest(), timeout_s, default_s)

    async def record_events(self, events: Iterable[Event], *, timeout_s: float | None = None) -> RecordEventsResponse:
        """Record impressions, taps and purchases; see `RuijiClient.record_events`."""
        request = RecordEventsRequest(events=events)
        return await self._call(self._events.RecordEvents, request, timeout_s, self._settings.deadlines.record_events_s)

    async def close(self) -> None:
        """Close the channel; calls that are under way are cancelled."""
        await self._channel.close(grace=None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(
        self,
        rpc: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_s: float | None,
        default_s: float,
    ) -> Response:
        try:
            return await rpc(
                request,
                timeout=default_s if timeout_s is None else timeout_s,
                metadata=call_metadata(self._settings),
            )
        except grpc.RpcError as error:
            raise client_error(error) from error
