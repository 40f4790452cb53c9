"""Contract messages to domain values and back; the checks that name a request's field."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from ruiji.v1 import catalog_pb2, common_pb2, recommendation_pb2
from ruiji_encoding.pictures import PictureError

from ruiji_server.domain import limits
from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.domain.items import (
    Item,
    ItemState,
    Picture,
    PictureContent,
    PictureUri,
    Price,
    check_category_path,
    check_currency,
    check_price,
)
from ruiji_server.generations.manifest import GenerationManifest
from ruiji_server.ranking.policy import RankingPolicy

_STATE_OF = {
    catalog_pb2.ITEM_STATE_UNSPECIFIED: ItemState.ON_SALE,
    catalog_pb2.ITEM_STATE_ON_SALE: ItemState.ON_SALE,
    catalog_pb2.ITEM_STATE_SOLD: ItemState.SOLD,
}
_STATE_MESSAGE = {
    ItemState.ON_SALE: catalog_pb2.ITEM_STATE_ON_SALE,
    ItemState.SOLD: catalog_pb2.ITEM_STATE_SOLD,
}


def item_from(message: catalog_pb2.Item) -> Item:
    """Return the item of a message; raises `InvalidArgument` where something required is missing."""
    if not message.HasField("price"):
        raise InvalidArgument(Reason.PRICE_MISSING, "an item needs a price", field="price")
    if message.state not in _STATE_OF:
        raise InvalidArgument(
            Reason.ITEM_STATE_INVALID, f"{message.state} is no item state of this contract", field="state"
        )
    picture: Picture | None = None
    if message.HasField("picture_content"):
        picture = PictureContent(message.picture_content)
    elif message.HasField("picture_uri"):
        picture = PictureUri(message.picture_uri)
    return Item(
        item_id=message.item_id,
        title=message.title,
        price=price_from(message.price),
        category_path=tuple(message.category_path),
        state=_STATE_OF[message.state],
        picture=picture,
    )


def item_message(item: Item) -> catalog_pb2.Item:
    """Return the message of an item."""
    message = catalog_pb2.Item(
        item_id=item.item_id,
        title=item.title,
        price=common_pb2.Price(amount_minor=item.price.amount_minor, currency_code=item.price.currency),
        category_path=item.category_path,
        state=_STATE_MESSAGE[item.state],
    )
    if isinstance(item.picture, PictureContent):
        message.picture_content = item.picture.content
    elif isinstance(item.picture, PictureUri):
        message.picture_uri = item.picture.uri
    return message


def price_from(message: common_pb2.Price) -> Price:
    """Return the price of a message, unchecked."""
    return Price(message.amount_minor, message.currency_code)


def context_from(
    context: recommendation_pb2.QueryContext, *, field: str
) -> tuple[Price | None, tuple[str, ...] | None]:
    """Return what a caller knows of a query besides its picture: price and category path, checked."""
    price = None
    if context.HasField("price"):
        price = price_from(context.price)
        check_price(price, field=f"{field}.price")
    path = tuple(context.category_path) or None
    if path is not None:
        check_category_path(path, field=f"{field}.category_path")
    return price, path


def page_size_of(
    request: recommendation_pb2.SimilarItemsRequest
    | recommendation_pb2.SimilarItemsBatchRequest
    | catalog_pb2.SearchItemsRequest,
) -> int:
    """Return how many items a request asks for."""
    if not request.HasField("page_size"):
        return limits.DEFAULT_PAGE_SIZE
    if not 1 <= request.page_size <= limits.MAX_PAGE_SIZE:
        raise InvalidArgument(
            Reason.PAGE_SIZE_OUT_OF_RANGE,
            f"page_size is {request.page_size}; it must be between 1 and {limits.MAX_PAGE_SIZE}",
            field="page_size",
        )
    return request.page_size


def similar_items_request(serialised: bytes) -> recommendation_pb2.SimilarItemsRequest:
    """Return a request; raises `InvalidArgument` if it is none."""
    try:
        return recommendation_pb2.SimilarItemsRequest.FromString(serialised)
    except DecodeError:
        raise InvalidArgument(
            Reason.REQUEST_UNREADABLE, "this is no SimilarItemsRequest in protobuf's wire format", field=""
        ) from None


def check_asker(request: recommendation_pb2.SimilarItemsRequest) -> None:
    """Raise `InvalidArgument` unless who asks, and what is said of them, keeps to the contract."""
    if len(request.unit_id) > limits.MAX_UNIT_ID_CHARS:
        raise InvalidArgument(
            Reason.UNIT_ID_INVALID,
            f"unit_id has {len(request.unit_id)} characters; at most {limits.MAX_UNIT_ID_CHARS} are accepted",
            field="unit_id",
        )
    if len(request.targeting) > limits.MAX_TARGETING_ATTRIBUTES:
        raise InvalidArgument(
            Reason.TARGETING_INVALID,
            f"targeting has {len(request.targeting)} attributes; at most {limits.MAX_TARGETING_ATTRIBUTES} can be",
            field="targeting",
        )
    for name, value in request.targeting.items():
        if not 1 <= len(name) <= limits.MAX_TARGETING_NAME_CHARS or len(value) > limits.MAX_TARGETING_VALUE_CHARS:
            raise InvalidArgument(
                Reason.TARGETING_INVALID,
                f"attribute {name[:80]!r}: a name has 1 to {limits.MAX_TARGETING_NAME_CHARS} characters, a value at "
                f"most {limits.MAX_TARGETING_VALUE_CHARS}",
                field="targeting",
            )


def policy_of(overrides: recommendation_pb2.RankingOverrides, default: RankingPolicy) -> RankingPolicy:
    """Return the ranking policy of a request: the server's, with the request's departures."""
    if overrides.price_currency_code:
        check_currency(overrides.price_currency_code, field="ranking.price_currency_code")
    if len(overrides.excluded_item_ids) > limits.MAX_EXCLUDED_ITEMS:
        raise InvalidArgument(
            Reason.TOO_MANY_EXCLUDED_ITEMS,
            f"{len(overrides.excluded_item_ids)} items are excluded; at most {limits.MAX_EXCLUDED_ITEMS} can be",
            field="ranking.excluded_item_ids",
        )
    has_ratio, has_weight = overrides.HasField("max_price_ratio"), overrides.HasField("category_weight")
    if not (has_ratio or has_weight):
        return default
    return RankingPolicy(
        max_price_ratio=overrides.max_price_ratio if has_ratio else default.max_price_ratio,
        category_weight=overrides.category_weight if has_weight else default.category_weight,
        candidates=default.candidates,
    )


def embedding_from(query: recommendation_pb2.EmbeddingQuery, dimensions: int) -> NDArray[np.float32]:
    """Return a query's embedding, scaled to unit length; shape (dimensions,), float32."""
    if len(query.values) != dimensions:
        raise InvalidArgument(
            Reason.EMBEDDING_DIMENSIONS,
            f"the embedding has {len(query.values)} values; encoder {query.encoder_id} makes {dimensions}",
            field="embedding.values",
        )
    # In float64 no finite float32 vector overflows or vanishes.
    values = np.array(query.values, dtype=np.float64)
    length = float(np.linalg.norm(values))
    if not math.isfinite(length):
        raise InvalidArgument(
            Reason.EMBEDDING_NOT_FINITE, "the embedding has a value that is not finite", field="embedding.values"
        )
    if length == 0.0:
        raise InvalidArgument(
            Reason.EMBEDDING_ZERO, "the embedding is zero and points nowhere", field="embedding.values"
        )
    return (values / length).astype(np.float32)


def generation_info(manifest: GenerationManifest) -> recommendation_pb2.GenerationInfo:
    """Return the message of a generation."""
    info = recommendation_pb2.GenerationInfo(
        generation_id=manifest.generation_id,
        items=manifest.items,
        feed_position=manifest.feed_position,
        recall_at_20=manifest.quality.recall_at_20,
        reachable_share=manifest.quality.reachable_share,
    )
    info.built_at.FromDatetime(datetime.fromisoformat(manifest.built_at))
    return info


def picture_fault(error: PictureError, *, field: str) -> InvalidArgument:
    """Return the failure of a picture that cannot be read."""
    return InvalidArgument(Reason(error.fault), str(error), field=field)
