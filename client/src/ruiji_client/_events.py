"""Events out of what a caller has at hand: an answer, an item, a price."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from ruiji.v1.common_pb2 import Price
from ruiji.v1.events_pb2 import Event, ImpressedItem, Impression, Purchase, Tap
from ruiji.v1.recommendation_pb2 import SimilarItem, SimilarItemsResponse


def impression_event(
    answer: SimilarItemsResponse,
    *,
    query_item_id: str = "",
    unit_id: str = "",
    first: int = 1,
    last: int | None = None,
    page_size: int | None = None,
    latency_us: int | None = None,
    time: datetime | None = None,
    event_id: str | None = None,
) -> Event:
    """Return the event that a page, or the part of it that was on the screen, was seen.

    Args:
        answer: the page.
        query_item_id: the item that was looked at; leave it out for queries by picture or embedding.
        unit_id: who saw it, as in the request.
        first: the first position that was seen.
        last: the last position that was seen; None means that all were.
        page_size: how many items had been asked for.
        latency_us: how long the answer took to come, in microseconds.
        time: when, with a time zone; None means now.
        event_id: unique for good; None makes one. An event that is sent again must keep its id.
    """
    seen = enumerate(answer.items[first - 1 : last], start=first)
    page = Impression(
        query_item_id=query_item_id,
        items=[_impressed(item, position) for position, item in seen],
        encoder_id=answer.encoder_id,
        generation_id=answer.generation_id,
        variants=answer.variants,
        page_size=page_size,
        catalogue_exhausted=answer.catalogue_exhausted,
        latency_us=latency_us,
    )
    return _event(event_id, time, answer.request_id, unit_id, Event(impression=page))


def tap_event(
    request_id: str,
    item_id: str,
    *,
    position: int | None = None,
    unit_id: str = "",
    time: datetime | None = None,
    event_id: str | None = None,
) -> Event:
    """Return the event that a recommended item was tapped.

    Args:
        request_id: of the answer that the item came with.
        item_id: what was tapped.
        position: where it stood, 1 being the first place.
        unit_id: who tapped, as in the request.
        time: see `impression_event`; so is `event_id`.
        event_id: see there.
    """
    return _event(event_id, time, request_id, unit_id, Event(tap=Tap(item_id=item_id, position=position)))


def purchase_event(
    item_id: str,
    price: Price,
    *,
    request_id: str = "",
    unit_id: str = "",
    time: datetime | None = None,
    event_id: str | None = None,
) -> Event:
    """Return the event that an item was bought, recommended or not.

    Args:
        item_id: what was bought.
        price: what was paid.
        request_id: of the answer that it began with, if that is known.
        unit_id: who bought, as in requests; without a request id it joins the purchase with an earlier tap.
        time: see `impression_event`; so is `event_id`.
        event_id: see there.
    """
    return _event(event_id, time, request_id, unit_id, Event(purchase=Purchase(item_id=item_id, price=price)))


def _impressed(item: SimilarItem, position: int) -> ImpressedItem:
    return ImpressedItem(
        item_id=item.item_id,
        position=position,
        score=item.score,
        cosine=item.cosine,
        price_ratio=item.price_ratio if item.HasField("price_ratio") else None,
        category_similarity=item.category_similarity if item.HasField("category_similarity") else None,
        propensity=item.propensity if item.HasField("propensity") else None,
        team=item.team,
    )


def _event(event_id: str | None, time: datetime | None, request_id: str, unit_id: str, event: Event) -> Event:
    event.event_id = uuid.uuid4().hex if event_id is None else event_id
    moment = datetime.now(UTC) if time is None else time
    if moment.tzinfo is None:
        # It would be taken for UTC, hours away from what was meant.
        raise ValueError(f"time {moment.isoformat()} has no time zone: write datetime.now(UTC), for one")
    event.time.FromDatetime(moment.astimezone(UTC))
    event.request_id, event.unit_id = request_id, unit_id
    return event
