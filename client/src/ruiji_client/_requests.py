"""From a method's arguments to the request message.

What is checked here are mistakes of the calling code, which the server could not tell from intent. Values are the
server's to judge, so that its limits live in one place.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence

from ruiji.v1.catalog_pb2 import (
    DeleteItemsRequest,
    Item,
    ListCategoriesRequest,
    SearchItemsRequest,
    UpsertItemsRequest,
)
from ruiji.v1.common_pb2 import Price
from ruiji.v1.recommendation_pb2 import (
    QueryContext,
    RankingOverrides,
    SimilarItemsBatchRequest,
    SimilarItemsRequest,
)


def similar_items_request(
    *,
    item_id: str | None,
    picture: bytes | None,
    embedding: Sequence[float] | None,
    encoder_id: str | None,
    price: Price | None,
    category_path: Sequence[str],
    page_size: int | None,
    max_price_ratio: float | None,
    category_weight: float | None,
    excluded_item_ids: Iterable[str],
    price_currency: str | None,
    explain: bool,
    embed_if_missing: bool,
    unit_id: str | None,
    targeting: Mapping[str, str] | None,
    variant: str | None,
    explain_dropped: int,
    explain_item_ids: Iterable[str],
) -> SimilarItemsRequest:
    """Build the request; see `RuijiClient.similar_items` for the arguments.

    Raises:
        ValueError: not exactly one query, or an argument that belongs to another kind of query.
        TypeError: one string where a list of strings is meant.
    """
    if sum(query is not None for query in (item_id, picture, embedding)) != 1:
        raise ValueError("give exactly one of item_id, picture and embedding")
    if embedding is not None and encoder_id is None:
        raise ValueError("an embedding needs the encoder_id of the encoder that made it")
    if embed_if_missing and item_id is None:
        raise ValueError("embed_if_missing is for queries by item_id; other queries bring what is embedded")
    if targeting and unit_id is None:
        raise ValueError("targeting needs a unit_id; without one a request takes part in no experiment")
    _refuse_one_string("category_path", category_path)
    _refuse_one_string("excluded_item_ids", excluded_item_ids)
    _refuse_one_string("explain_item_ids", explain_item_ids)
    explain_item_ids = list(explain_item_ids)
    if not explain and (explain_dropped or explain_item_ids):
        raise ValueError("explain_dropped and explain_item_ids need explain=True")
    request = SimilarItemsRequest(
        page_size=page_size,
        ranking=RankingOverrides(
            max_price_ratio=max_price_ratio,
            category_weight=category_weight,
            excluded_item_ids=excluded_item_ids,
            price_currency_code=price_currency or "",
        ),
        explain=explain,
        embed_if_missing=embed_if_missing,
        # An embedding names its encoder itself, and is answered by it.
        encoder_id=encoder_id or "" if embedding is None else "",
        unit_id=unit_id or "",
        targeting=targeting,
        variant=variant or "",
        explain_dropped=explain_dropped,
        explain_item_ids=explain_item_ids,
    )
    if item_id is not None:
        if price is not None or category_path:
            raise ValueError("an item's price and category_path are the catalogue's; leave them out with item_id")
        request.item_id = item_id
        return request
    if picture is not None:
        request.picture.content = picture
        context = request.picture.context
    else:
        # NaN and zero vectors pass: the server names what is wrong with them.
        request.embedding.values.extend(embedding or ())
        request.embedding.encoder_id = encoder_id or ""
        context = request.embedding.context
    context.MergeFrom(QueryContext(price=price, category_path=category_path))
    return request


def similar_items_batch_request(
    item_ids: Iterable[str],
    *,
    encoder_id: str | None,
    page_size: int | None,
    max_price_ratio: float | None,
    category_weight: float | None,
    excluded_item_ids: Iterable[str],
    price_currency: str | None,
) -> SimilarItemsBatchRequest:
    """Build the request; see `RuijiClient.similar_items_batch` for the arguments.

    Raises:
        TypeError: one string where a list of strings is meant.
    """
    _refuse_one_string("item_ids", item_ids)
    _refuse_one_string("excluded_item_ids", excluded_item_ids)
    return SimilarItemsBatchRequest(
        item_ids=item_ids,
        page_size=page_size,
        ranking=RankingOverrides(
            max_price_ratio=max_price_ratio,
            category_weight=category_weight,
            excluded_item_ids=excluded_item_ids,
            price_currency_code=price_currency or "",
        ),
        encoder_id=encoder_id or "",
    )


def upsert_items_request(items: Iterable[Item], request_id: str | None) -> UpsertItemsRequest:
    """Build the request; without an id of the caller's it gets a random UUID."""
    return UpsertItemsRequest(request_id=str(uuid.uuid4()) if request_id is None else request_id, items=items)


def delete_items_request(item_ids: Iterable[str]) -> DeleteItemsRequest:
    """Build the request.

    Raises:
        TypeError: one string where a list of ids is meant.
    """
    _refuse_one_string("item_ids", item_ids)
    return DeleteItemsRequest(item_ids=item_ids)


def search_items_request(
    text: str,
    *,
    category_prefix: Sequence[str],
    item_id_prefix: str,
    page_size: int | None,
    page_token: str,
) -> SearchItemsRequest:
    """Build the request; see `RuijiClient.search_items` for the arguments.

    Raises:
        TypeError: one string where a list of strings is meant.
    """
    _refuse_one_string("category_prefix", category_prefix)
    return SearchItemsRequest(
        text=text,
        category_prefix=category_prefix,
        item_id_prefix=item_id_prefix,
        page_size=page_size,
        page_token=page_token,
    )


def list_categories_request(category_path: Sequence[str], encoder_id: str | None) -> ListCategoriesRequest:
    """Build the request.

    Raises:
        TypeError: one string where a list of strings is meant.
    """
    _refuse_one_string("category_path", category_path)
    return ListCategoriesRequest(category_path=category_path, encoder_id=encoder_id or "")


def _refuse_one_string(name: str, value: Iterable[str]) -> None:
    # To Python a string is a list of strings: deleting "1234" would delete the items 1, 2, 3 and 4.
    if isinstance(value, str):
        raise TypeError(f"{name} takes several strings, not one: write [{value!r}]")
