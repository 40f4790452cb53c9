"""Answers as pages show them: cards with scores, reasons in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ruiji_client import DroppedItem, Price, SimilarItem, SimilarItemsResponse

from ruiji_console.listings import Listing

_WHY: Final[dict[int, tuple[str, str]]] = {
    DroppedItem.REASON_NOT_INDEXED: ("index", "not indexed: no such item, or its picture is not embedded"),
    DroppedItem.REASON_QUERY_ITEM: ("eligible", "is the query itself"),
    DroppedItem.REASON_NOT_ON_SALE: ("eligible", "is not on sale"),
    DroppedItem.REASON_OTHER_CURRENCY: ("eligible", "is priced in another currency"),
    DroppedItem.REASON_OUTSIDE_PRICE_BAND: ("price band", "costs too much or too little"),
    DroppedItem.REASON_EXCLUDED: ("eligible", "was excluded by the request"),
    DroppedItem.REASON_NOT_REACHED: ("search", "was not reached by the search"),
    DroppedItem.REASON_BEYOND_CANDIDATES: ("candidates", "has enough nearer candidates before it"),
    DroppedItem.REASON_OUTRANKED: ("order", "is a candidate, and scores too low for this page"),
}
"""Stage and words."""
_UNKNOWN: Final = ("?", "for a reason that this console does not know")


@dataclass(frozen=True, slots=True)
class Card:
    """One recommended item."""

    position: int
    item_id: str
    listing: Listing | None
    """None if it was deleted meanwhile."""
    score: float
    cosine: float
    price_ratio: float | None
    category_similarity: float | None
    cosine_share: float
    """What the cosine gives to the score, 0 to 1."""
    category_share: float
    """What the category gives to it."""


@dataclass(frozen=True, slots=True)
class DroppedRow:
    """One item that is not on the page."""

    item_id: str
    listing: Listing | None
    stage: str
    words: str
    cosine: float | None
    score: float | None
    price_ratio: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way to a page."""

    name: str
    items: int
    note: str


def cards(page: SimilarItemsResponse, listings: Mapping[str, Listing]) -> list[Card]:
    """Return the cards of a page."""
    weight = page.explanation.category_weight
    return [_card(position, hit, listings.get(hit.item_id), weight) for position, hit in enumerate(page.items, 1)]


def dropped_rows(
    dropped: Iterable[DroppedItem], listings: Mapping[str, Listing], price: Price | None
) -> list[DroppedRow]:
    """Return the rows of what is not on a page.

    Args:
        dropped: what the server explained.
        listings: the items, as far as they are there.
        price: the query's.
    """
    rows = []
    for hit in dropped:
        stage, words = _WHY.get(hit.reason, _UNKNOWN)
        listing = listings.get(hit.item_id)
        if hit.reason == DroppedItem.REASON_OUTSIDE_PRICE_BAND and listing is not None and price is not None:
            words = "is too dear" if listing.price.amount_minor > price.amount_minor else "is too cheap"
        rows.append(
            DroppedRow(
                hit.item_id,
                listing,
                stage,
                words,
                hit.cosine if hit.HasField("cosine") else None,
                hit.score if hit.HasField("score") else None,
                hit.price_ratio if hit.HasField("price_ratio") else None,
            )
        )
    return rows


def steps(page: SimilarItemsResponse) -> Sequence[Step]:
    """Return how many items were left after each step on the way to a page."""
    how = page.explanation
    if how.neighbour_table:
        found = "neighbours known since the index was built"
    elif how.exact_scan:
        found = "the whole band was compared"
    else:
        found = "from the index" + (f", widened {how.widenings} times" if how.widenings else "")
    dropped = [
        f"{count:,} {words}"
        for count, words in (
            (how.dropped_not_recommendable, "not on sale or changed"),
            (how.dropped_by_price, "by price"),
            (how.dropped_by_exclusion, "excluded"),
        )
        if count
    ]
    left = how.candidates - how.dropped_not_recommendable - how.dropped_by_price - how.dropped_by_exclusion
    return (
        Step("In the price band", how.band_items, "on sale, in the currency"),
        Step("Near the query", how.candidates, found),
        Step("Eligible", left, "dropped: " + ", ".join(dropped) if dropped else "none dropped"),
        Step("On this page", len(page.items), "the catalogue has no more" if page.catalogue_exhausted else "by score"),
    )


def _card(position: int, hit: SimilarItem, listing: Listing | None, weight: float) -> Card:
    similarity = hit.category_similarity if hit.HasField("category_similarity") else None
    return Card(
        position,
        hit.item_id,
        listing,
        hit.score,
        hit.cosine,
        hit.price_ratio if hit.HasField("price_ratio") else None,
        similarity,
        cosine_share=max(0.0, (1.0 - weight) * hit.cosine),
        category_share=0.0 if similarity is None else weight * similarity,
    )
