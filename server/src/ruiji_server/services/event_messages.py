"""Messages of events to what the journal keeps, with the checks that name a field."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ruiji.v1 import events_pb2
from ruiji_events.tables import Table
from ruiji_events.units import UnitHasher

from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.domain.items import check_item_id, check_price
from ruiji_server.services.messages import price_from

_ITEM_NUMBERS = frozenset({"score", "cosine", "price_ratio", "category_similarity", "propensity"})
_MAX_NAME_CHARS = 128


def event_from(message: events_pb2.Event, units: UnitHasher) -> dict[str, Any]:
    """Return the columns of an event's table (see `ruiji_events.schema`), and `table`; absent ones are null.

    Args:
        message: what came in.
        units: hashes the unit; its id goes no further.

    Raises:
        InvalidArgument: the event does not keep to the contract; names the field.
    """
    _check_text(message.event_id, Reason.EVENT_ID_INVALID, "event_id", limits.MAX_EVENT_ID_CHARS)
    if not message.HasField("time"):
        raise InvalidArgument(Reason.EVENT_TIME_MISSING, "an event needs the time when it happened", field="time")
    kind = message.WhichOneof("event")
    event: dict[str, Any] = {"event_id": message.event_id, "time": _microseconds(message)}
    if message.request_id or kind != "purchase":
        _check_text(message.request_id, Reason.REQUEST_ID_INVALID, "request_id", limits.MAX_REQUEST_ID_CHARS)
        event["request_id"] = message.request_id
    if message.unit_id:
        _check_text(message.unit_id, Reason.UNIT_ID_INVALID, "unit_id", limits.MAX_UNIT_ID_CHARS)
        event["unit"] = units.hash(message.unit_id)
    match kind:
        case "impression":
            return event | _impression(message.impression)
        case "tap":
            return event | _tap(message.tap)
        case "purchase":
            return event | _purchase(message.purchase)
    raise InvalidArgument(Reason.EVENT_KIND_MISSING, "an event needs an impression, a tap or a purchase", field="event")


def _microseconds(message: events_pb2.Event) -> int:
    # Not ToMicroseconds, which refuses what a sane clock never shows in ways of its own; the time is judged later.
    return message.time.seconds * 1_000_000 + message.time.nanos // 1_000


def _impression(message: events_pb2.Impression) -> dict[str, Any]:
    if message.query_item_id:
        _check_item(message.query_item_id, "impression.query_item_id")
    if len(message.items) > limits.MAX_IMPRESSION_ITEMS:
        raise _invalid_impression(f"{len(message.items)} items; at most {limits.MAX_IMPRESSION_ITEMS}", "items")
    if len(message.variants) > limits.MAX_IMPRESSION_VARIANTS:
        raise _invalid_impression(
            f"{len(message.variants)} variants; at most {limits.MAX_IMPRESSION_VARIANTS}", "variants"
        )
    for name in ("encoder_id", "generation_id", "error"):
        if len(getattr(message, name)) > _MAX_NAME_CHARS:
            raise _invalid_impression(f"a {name} of more than {_MAX_NAME_CHARS} characters", name)
    for name in ("page_size", "latency_us"):
        if getattr(message, name) < 0:
            raise _invalid_impression(f"a negative {name}", name)
    items = [_item(item, index) for index, item in enumerate(message.items)]
    if len({item["item_id"] for item in items}) < len(items):
        raise _invalid_impression("an item twice", "items")
    if len({item["position"] for item in items}) < len(items):
        raise _invalid_impression("a position twice", "items")
    variants = list(_variants(message))
    _check_teams(items, variants)
    return {
        "table": Table.IMPRESSIONS,
        "source": "client",
        "query_item_id": message.query_item_id,
        "experiments": variants,
        "encoder_id": message.encoder_id or None,
        "generation_id": message.generation_id or None,
        "page_size": message.page_size if message.HasField("page_size") else None,
        "exhausted": message.catalogue_exhausted if message.HasField("catalogue_exhausted") else None,
        "latency_us": message.latency_us if message.HasField("latency_us") else None,
        "error": message.error or None,
        "items": items,
    }


def _variants(message: events_pb2.Impression) -> Iterator[dict[str, Any]]:
    for index, variant in enumerate(message.variants):
        field = f"impression.variants[{index}]"
        _check_text(variant.experiment, Reason.VARIANT_INVALID, f"{field}.experiment", _MAX_NAME_CHARS)
        if not variant.interleaved:
            _check_text(variant.variant, Reason.VARIANT_INVALID, f"{field}.variant", _MAX_NAME_CHARS)
        elif variant.variant or variant.forced:
            raise InvalidArgument(
                Reason.VARIANT_INVALID,
                "an interleaved page has no variant, and is never forced; send `variants` of the answer as they are",
                field=field,
            )
        yield {"experiment": variant.experiment, "variant": variant.variant, "forced": variant.forced}


def _check_teams(items: Sequence[Mapping[str, Any]], variants: Sequence[Mapping[str, Any]]) -> None:
    interleaved = [variant["experiment"] for variant in variants if not variant["variant"]]
    if len(interleaved) > 1:
        raise InvalidArgument(
            Reason.VARIANT_INVALID,
            f"a page is interleaved for one experiment at most, not for {' and '.join(interleaved)}",
            field="impression.variants",
        )
    teamed = next((index for index, item in enumerate(items) if "team" in item), None)
    if teamed is not None and not interleaved:
        raise InvalidArgument(
            Reason.VARIANT_INVALID,
            "an item has a team, and none of the page's experiments is interleaved; send `variants` of the answer as "
            "they are",
            field=f"impression.items[{teamed}].team",
        )


def _item(message: events_pb2.ImpressedItem, index: int) -> dict[str, Any]:
    field = f"impression.items[{index}]"
    _check_item(message.item_id, f"{field}.item_id")
    _check_position(message.position, f"{field}.position")
    item: dict[str, Any] = {"item_id": message.item_id, "position": message.position}
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if name not in _ITEM_NUMBERS:
            continue
        if not math.isfinite(value):
            raise InvalidArgument(
                Reason.EVENT_VALUE_INVALID, f"{name} is {value}; it must be finite", field=f"{field}.{name}"
            )
        item[name] = value
    if message.team:
        _check_text(message.team, Reason.VARIANT_INVALID, f"{field}.team", _MAX_NAME_CHARS)
        item["team"] = message.team
    if "propensity" in item and not 0.0 < item["propensity"] <= 1.0:
        raise InvalidArgument(
            Reason.EVENT_VALUE_INVALID,
            f"propensity is {item['propensity']:g}; it must be above 0 and at most 1",
            field=f"{field}.propensity",
        )
    return item


def _tap(message: events_pb2.Tap) -> dict[str, Any]:
    _check_item(message.item_id, "tap.item_id")
    if not message.HasField("position"):
        return {"table": Table.TAPS, "item_id": message.item_id}
    _check_position(message.position, "tap.position")
    return {"table": Table.TAPS, "item_id": message.item_id, "position": message.position}


def _purchase(message: events_pb2.Purchase) -> dict[str, Any]:
    _check_item(message.item_id, "purchase.item_id")
    if not message.HasField("price"):
        raise InvalidArgument(Reason.PRICE_MISSING, "a purchase needs a price", field="purchase.price")
    price = price_from(message.price)
    check_price(price, field="purchase.price")
    return {
        "table": Table.PURCHASES,
        "item_id": message.item_id,
        "amount_minor": price.amount_minor,
        "currency_code": price.currency,
    }


def _check_item(item_id: str, field: str) -> None:
    # What nearly all ids are; others are looked at character by character.
    if not (item_id.isascii() and item_id.isprintable() and 1 <= len(item_id) <= limits.MAX_ITEM_ID_BYTES):
        check_item_id(item_id, field=field)


def _check_position(position: int, field: str) -> None:
    if position < 1:
        raise InvalidArgument(Reason.POSITION_INVALID, f"position is {position}; the first place is 1", field=field)


def _check_text(text: str, reason: Reason, field: str, most: int) -> None:
    if not 1 <= len(text) <= most or "\0" in text:
        raise InvalidArgument(reason, f"{field} must have 1 to {most} characters, none of them NUL", field=field)


def _invalid_impression(what: str, field: str) -> InvalidArgument:
    return InvalidArgument(Reason.IMPRESSION_INVALID, f"the impression has {what}", field=f"impression.{field}")
