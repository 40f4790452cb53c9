"""An item and the checks at the door: whatever gets past `check_item` can be stored, embedded and ranked."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from enum import IntEnum

from ruiji_server.domain import limits
from ruiji_server.domain.currencies import MINOR_UNIT_DIGITS
from ruiji_server.domain.errors import InvalidArgument, Reason


class ItemState(IntEnum):
    """Whether an item may be recommended. Stored as a number: never renumber."""

    ON_SALE = 1
    SOLD = 2


@dataclass(frozen=True, slots=True)
class Price:
    """An amount of money; see `check_price`."""

    amount_minor: int
    """Minor units, such as cents; yen has none smaller, so there it is yen."""
    currency: str
    """ISO 4217 code."""


@dataclass(frozen=True, slots=True)
class PictureContent:
    """A picture that came with the item."""

    content: bytes
    """The file itself."""

    def digest(self) -> str:
        """Return the SHA-256 by which a changed picture is noticed."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class PictureUri:
    """A picture that lies elsewhere; workers fetch it."""

    uri: str

    def digest(self) -> str:
        """Return the SHA-256 of the URI: a picture that changes must get a new one."""
        return hashlib.sha256(self.uri.encode()).hexdigest()


Picture = PictureContent | PictureUri


@dataclass(frozen=True, slots=True)
class Item:
    """A listing, as the catalogue takes it."""

    item_id: str
    title: str
    price: Price
    category_path: tuple[str, ...]
    """Root to leaf."""
    state: ItemState = ItemState.ON_SALE
    picture: Picture | None = None
    """None keeps the picture that the item has."""


def check_item(item: Item, *, field: str = "") -> None:
    """Raise `InvalidArgument` unless the item keeps to the contract.

    Args:
        item: what came in.
        field: path of the item in the request, to which the field at fault is added.
    """
    prefix = f"{field}." if field else ""
    check_item_id(item.item_id, field=f"{prefix}item_id")
    if len(item.title) > limits.MAX_TITLE_CHARS:
        raise InvalidArgument(
            Reason.TITLE_TOO_LONG,
            f"title has {len(item.title)} characters; at most {limits.MAX_TITLE_CHARS} are accepted",
            field=f"{prefix}title",
        )
    if "\0" in item.title:
        # PostgreSQL stores no text with it.
        raise InvalidArgument(Reason.TITLE_INVALID, "title contains a NUL character", field=f"{prefix}title")
    check_price(item.price, field=f"{prefix}price")
    check_category_path(item.category_path, field=f"{prefix}category_path")


def check_item_id(item_id: str, *, field: str = "item_id") -> None:
    """Raise `InvalidArgument` unless the id is 1 to 128 bytes of UTF-8 without control characters."""
    if not item_id:
        raise InvalidArgument(Reason.ITEM_ID_INVALID, "item id is empty", field=field)
    size = len(item_id.encode())
    if size > limits.MAX_ITEM_ID_BYTES:
        raise InvalidArgument(
            Reason.ITEM_ID_INVALID,
            f"item id has {size} bytes; at most {limits.MAX_ITEM_ID_BYTES} are accepted",
            field=field,
        )
    if any(unicodedata.category(char) == "Cc" for char in item_id):
        raise InvalidArgument(Reason.ITEM_ID_INVALID, "item id contains a control character", field=field)


def check_price(price: Price, *, field: str = "price") -> None:
    """Raise `InvalidArgument` unless the amount is positive and the currency known."""
    if not 0 < price.amount_minor <= limits.MAX_PRICE_MINOR:
        raise InvalidArgument(
            Reason.PRICE_OUT_OF_RANGE,
            f"price is {price.amount_minor} minor units; it must be above 0 and at most {limits.MAX_PRICE_MINOR}",
            field=f"{field}.amount_minor",
        )
    check_currency(price.currency, field=f"{field}.currency_code")


def check_currency(currency: str, *, field: str) -> None:
    """Raise `InvalidArgument` unless the code is an active ISO 4217 currency in upper case."""
    if currency not in MINOR_UNIT_DIGITS:
        raise InvalidArgument(
            Reason.CURRENCY_UNKNOWN,
            f"{currency[:8]!r} is not an ISO 4217 currency code in upper case, such as 'JPY'",
            field=field,
        )


def check_category_path(path: tuple[str, ...], *, field: str = "category_path") -> None:
    """Raise `InvalidArgument` unless the path has 1 to 16 names of 1 to 100 characters."""
    if not 1 <= len(path) <= limits.MAX_CATEGORY_DEPTH:
        raise InvalidArgument(
            Reason.CATEGORY_PATH_INVALID,
            f"category path has {len(path)} names; 1 to {limits.MAX_CATEGORY_DEPTH} are accepted",
            field=field,
        )
    for index, name in enumerate(path):
        if "\0" in name:
            raise InvalidArgument(
                Reason.CATEGORY_PATH_INVALID, "category name contains a NUL character", field=f"{field}[{index}]"
            )
        if not 1 <= len(name) <= limits.MAX_CATEGORY_NAME_CHARS:
            raise InvalidArgument(
                Reason.CATEGORY_PATH_INVALID,
                f"category name has {len(name)} characters; 1 to {limits.MAX_CATEGORY_NAME_CHARS} are accepted",
                field=f"{field}[{index}]",
            )
