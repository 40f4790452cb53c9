"""The blocking client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
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

from ruiji_client._channel import call_metadata, channel_credentials, channel_options
from ruiji_client._errors import client_error
from ruiji_client._experiments import ExperimentCalls
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

Request = TypeVar("Request")
Response = TypeVar("Response")


class RuijiClient(ExperimentCalls):
    """Asks one Ruiji installation. Make one, keep it, share it between threads; it holds one channel.

    Nothing is sent before the first call, so a server that is not up yet is an `UnavailableError` of that call. Make
    it after a fork, never before: gRPC does not survive one.

    Args:
        settings: all settings, or just the target of a server in plaintext, such as "localhost:50051".

    Every method takes `timeout_s`, the time for the call with all its retries, and raises a `RuijiClientError` if it
    fails; the contract (`ruiji/v1/*.proto`) says which, and when.
    """

    def __init__(self, settings: ClientSettings | str) -> None:
        self._settings = ClientSettings(target=settings) if isinstance(settings, str) else settings
        options = channel_options(self._settings)
        credentials = channel_credentials(self._settings)
        if credentials is None:
            self._channel = grpc.insecure_channel(self._settings.target, options)
        else:
            self._channel = grpc.secure_channel(self._settings.target, credentials, options)
        self._recommendation = RecommendationServiceStub(self._channel)
        self._catalog = CatalogServiceStub(self._channel)
        self._events = EventServiceStub(self._channel)
        self._operations = OperationsServiceStub(self._channel)
        self._experiments = ExperimentServiceStub(self._channel)

    def similar_items(
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
        """Return the items that look like the query, best first.

        Args:
            item_id: query by an item of the catalogue.
            picture: query by a picture file's bytes.
            embedding: query by an embedding, shape (dimensions,), any length but zero.
            encoder_id: answer by this encoder, which must be one that serves (see `info`); None leaves the choice to
                the server. With an embedding it is needed: the encoder that made it.
            price: what a query picture's or embedding's item costs; without it no price band is applied.
            category_path: its category from root to leaf; without it categories do not count.
            page_size: how many items to return; None takes the server's default of 20.
            max_price_ratio: the widest price band, at least 1; infinity turns it off. None takes the server's policy.
            category_weight: the share of category similarity in the score, 0 to 1. None takes the server's policy.
            excluded_item_ids: items not to recommend.
            price_currency: recommend only items priced in this ISO 4217 currency.
            explain: whether the answer says how the page came about.
            embed_if_missing: whether an item that has no embedding yet is embedded now, which may take as long as
                fetching its picture does, instead of failing; only with item_id.
            unit_id: who asks (a user, a device, a session), so that experiments give it the same variant each time;
                None takes part in none.
            targeting: what experiments may be aimed at, such as {"platform": "ios"}; only with unit_id.
            variant: "experiment/variant" to answer by, for checks.
            explain_dropped: how many of the nearest items that are not on the page to explain; only with explain.
            explain_item_ids: items whose absence from the page is to be explained in any case; only with explain.
            timeout_s: None takes `Deadlines.similar_items_s`, or `similar_items_by_picture_s` for a picture and with
                embed_if_missing.

        Raises:
            ValueError: not exactly one query, or an argument that belongs to another kind of query.
        """
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
        return self._call(self._recommendation.SimilarItems, request, timeout_s, default_s)

    def similar_items_batch(
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
        """Return a page for each of many items, as `similar_items` would; look at each outcome, for it may be an error.

        Args:
            item_ids: items of the catalogue, as many as `info().limits.max_batch_queries`.
            encoder_id: the encoder to compare by, one of those that serve; None leaves it to the server.
            page_size: as for `similar_items`, for each of them; so are the arguments below.
            max_price_ratio: see `similar_items`.
            category_weight: see `similar_items`.
            excluded_item_ids: items not to recommend for any of them.
            price_currency: see `similar_items`.
            timeout_s: None takes `Deadlines.similar_items_batch_s`.
        """
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
        return self._call(self._recommendation.SimilarItemsBatch, request, timeout_s, default_s)

    def info(self, *, timeout_s: float | None = None) -> InfoResponse:
        """Return what serves: versions, encoder, generation, limits, and the ranking policy in force."""
        return self._call(self._recommendation.Info, InfoRequest(), timeout_s, self._settings.deadlines.info_s)

    def upsert_items(
        self, items: Iterable[Item], *, request_id: str | None = None, timeout_s: float | None = None
    ) -> UpsertItemsResponse:
        """Create or replace items; look at each outcome, for a rejected item raises nothing.

        Args:
            items: the batch.
            request_id: a repeated request with the same id is applied once. None makes one that all attempts of this
                call share; bring your own (and store it first) to repeat the call from your side.
            timeout_s: None takes `Deadlines.upsert_items_s`.
        """
        request = upsert_items_request(items, request_id)
        return self._call(self._catalog.UpsertItems, request, timeout_s, self._settings.deadlines.upsert_items_s)

    def delete_items(self, item_ids: Iterable[str], *, timeout_s: float | None = None) -> DeleteItemsResponse:
        """Delete items; an id that is not there is an outcome, not an error."""
        request = delete_items_request(item_ids)
        return self._call(self._catalog.DeleteItems, request, timeout_s, self._settings.deadlines.delete_items_s)

    def get_item(
        self, item_id: str, *, include_picture: bool = False, timeout_s: float | None = None
    ) -> GetItemResponse:
        """Return an item, and for each encoder whether it is embedded and if not, why not."""
        request = GetItemRequest(item_id=item_id, include_picture=include_picture)
        return self._call(self._catalog.GetItem, request, timeout_s, self._settings.deadlines.get_item_s)

    def search_items(
        self,
        text: str = "",
        *,
        category_prefix: Sequence[str] = (),
        item_id_prefix: str = "",
        page_size: int | None = None,
        page_token: str = "",
        timeout_s: float | None = None,
    ) -> SearchItemsResponse:
        """Return the next items that are looked for, in the order of their ids.

        A page may be short or empty though there is more: look on while the answer has a `next_page_token`.

        Args:
            text: words that stand in the title, all of them.
            category_prefix: the beginning of the category path, in whole names.
            item_id_prefix: the beginning of the item id.
            page_size: how many items to return; None takes the server's default of 20.
            page_token: `next_page_token` of the answer before; the rest of the call is to be the same.
            timeout_s: None takes `Deadlines.search_items_s`.
        """
        request = search_items_request(
            text,
            category_prefix=category_prefix,
            item_id_prefix=item_id_prefix,
            page_size=page_size,
            page_token=page_token,
        )
        return self._call(self._catalog.SearchItems, request, timeout_s, self._settings.deadlines.search_items_s)

    def list_categories(
        self, category_path: Sequence[str] = (), *, encoder_id: str | None = None, timeout_s: float | None = None
    ) -> ListCategoriesResponse:
        """Return a category and those directly below it, with their items and how many of them are embedded.

        Args:
            category_path: names from the root; empty for the whole catalogue and its roots.
            encoder_id: whose embeddings count; None takes the promoted encoder's.
            timeout_s: None takes `Deadlines.list_categories_s`.
        """
        request = list_categories_request(category_path, encoder_id)
        default_s = self._settings.deadlines.list_categories_s
        return self._call(self._catalog.ListCategories, request, timeout_s, default_s)

    def status(self, *, timeout_s: float | None = None) -> StatusResponse:
        """Return what serves, how far it follows the catalogue, and what waits to be embedded."""
        default_s = self._settings.deadlines.status_s
        return self._call(self._operations.Status, StatusRequest(), timeout_s, default_s)

    def record_events(self, events: Iterable[Event], *, timeout_s: float | None = None) -> RecordEventsResponse:
        """Record impressions, taps and purchases; look at each outcome, for a rejected event raises nothing.

        Args:
            events: the batch, made by `impression_event`, `tap_event` and `purchase_event`, as many as
                `info().limits.max_batch_events`. If the call fails, keep them and send the very same ones again: by
                their ids they count once.
            timeout_s: None takes `Deadlines.record_events_s`.
        """
        request = RecordEventsRequest(events=events)
        return self._call(self._events.RecordEvents, request, timeout_s, self._settings.deadlines.record_events_s)

    def close(self) -> None:
        """Close the channel; calls that are under way are cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(
        self,
        rpc: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_s: float | None,
        default_s: float,
    ) -> Response:
        try:
            return rpc(
                request,
                timeout=default_s if timeout_s is None else timeout_s,
                metadata=call_metadata(self._settings),
            )
        except grpc.RpcError as error:
            raise client_error(error) from error
