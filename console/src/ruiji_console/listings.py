"""Items as a page shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

from ruiji_client import AsyncRuijiClient, EmbeddingStatus, Item, ItemState, NotFoundError, Price

from ruiji_console.prices import price_text

_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Listing:
    """An item with everything that a card or a page head needs."""

    item_id: str
    title: str
    price: Price
    category_path: Sequence[str]
    sold: bool
    picture: str | None
    """Where the browser gets its thumbnail; None if it may not."""
    picture_note: str
    """Said where there is none."""
    updated_at: datetime | None = None
    embeddings: Sequence[EmbeddingStatus] = ()

    @property
    def price_text(self) -> str:
        """The price as people write it."""
        return price_text(self.price)

    @property
    def name(self) -> str:
        """The title, or the id of an item without one."""
        return self.title or self.item_id

    @property
    def href(self) -> str:
        """Where its page is."""
        return "/similar?" + urlencode({"item": self.item_id})


class Listings:
    """Reads items for pages."""

    def __init__(self, client: AsyncRuijiClient, picture_origins: Sequence[str]) -> None:
        """Prepare.

        Args:
            client: whom to ask.
            picture_origins: from where browsers may load pictures that lie outside the catalogue.
        """
        self._client = client
        self._picture_origins = tuple(origin.rstrip("/") for origin in picture_origins)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def get(self, item_id: str) -> Listing:
        """Return an item; raises as `AsyncRuijiClient.get_item` does."""
        async with self._slots:
            stored = await self._client.get_item(item_id)
        listing = self.shown(stored.item, stored.picture_sha256)
        updated_at = stored.updated_at.ToDatetime(tzinfo=UTC)
        return Listing(
            listing.item_id,
            listing.title,
            listing.price,
            listing.category_path,
            listing.sold,
            listing.picture,
            listing.picture_note,
            updated_at,
            tuple(stored.embeddings),
        )

    async def get_many(self, item_ids: Iterable[str]) -> dict[str, Listing]:
        """Return items by id; those that were deleted meanwhile are not there."""
        wanted = list(dict.fromkeys(item_ids))
        found = await asyncio.gather(*map(self._get_or_none, wanted))
        return {item_id: listing for item_id, listing in zip(wanted, found, strict=True) if listing is not None}

    def shown(self, item: Item, picture_sha256: str) -> Listing:
        """Return an item as it is shown."""
        picture, note = self._picture(item, picture_sha256)
        return Listing(
            item_id=item.item_id,
            title=item.title,
            price=item.price,
            category_path=tuple(item.category_path),
            sold=item.state == ItemState.ITEM_STATE_SOLD,
            picture=picture,
            picture_note=note,
        )

    async def _get_or_none(self, item_id: str) -> Listing | None:
        try:
            return await self.get(item_id)
        except NotFoundError:
            return None

    def _picture(self, item: Item, picture_sha256: str) -> tuple[str | None, str]:
        uri = item.picture_uri
        if not uri:
            # Named by its content, so that a browser may keep it for good.
            return "/pictures?" + urlencode({"item": item.item_id, "v": picture_sha256[:32]}), ""
        parts = urlsplit(uri)
        if f"{parts.scheme}://{parts.netloc}" in self._picture_origins:
            return uri, ""
        return None, "picture lies elsewhere"
