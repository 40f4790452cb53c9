"""From a page's address to a question for the server: what to look like, and how to rank for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from ruiji_client import AsyncRuijiClient, Price, SimilarItemsResponse

from ruiji_console.prices import price_from
from ruiji_console.problems import Problem

PAGE_SIZES: Final = (12, 24, 48, 96)
EXPLAINED: Final = 24
"""Items that are not on the page and are explained."""
MAX_RATIO_OF_SLIDER: Final = 5.0
_PATH_SEPARATOR: Final = ">"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a page is about: an item, or a picture that was uploaded with what is known of it."""

    item_id: str = ""
    digest: str = ""
    """Of the upload."""
    content: bytes = b""
    amount: str = ""
    """As it was written; empty where the price is not known."""
    currency: str = "JPY"
    category: str = ""
    """As it was written, names separated by `>`."""

    @property
    def price(self) -> Price | None:
        """The upload's price; raises `Problem` if something was written that is none."""
        if not self.amount:
            return None
        price = price_from(self.amount, self.currency)
        if price is None:
            raise Problem(
                400, "That is no price", f"{self.amount} {self.currency} cannot be read as an amount of money."
            )
        return price

    @property
    def category_path(self) -> Sequence[str]:
        """The upload's category."""
        return [name for part in self.category.split(_PATH_SEPARATOR) if (name := part.strip())]

    @property
    def parameters(self) -> dict[str, str]:
        """Itself in an address."""
        if self.item_id:
            return {"item": self.item_id}
        known = {"price": self.amount, "currency": self.currency if self.amount else "", "category": self.category}
        return {"picture": self.digest} | {name: value for name, value in known.items() if value}


@dataclass(frozen=True, slots=True)
class Policy:
    """How to answer; what is None is left to the server."""

    max_price_ratio: float | None = None
    category_weight: float | None = None
    encoder_id: str | None = None
    variant: str | None = None
    """`experiment/variant`, which decides everything else."""

    @classmethod
    def of(cls, parameters: Mapping[str, str], prefix: str = "") -> Policy:
        """Read a policy from an address.

        Args:
            parameters: of the address.
            prefix: in front of each name, where there are several.

        Raises:
            Problem: a value is no number.
        """
        if variant := parameters.get(f"{prefix}variant"):
            # What a variant sets is the server's to say; anything beside it would hide that.
            return cls(variant=variant)
        ratio = _number(parameters, f"{prefix}ratio")
        if parameters.get(f"{prefix}no_band"):
            ratio = math.inf
        return cls(
            ratio,
            _number(parameters, f"{prefix}weight"),
            parameters.get(f"{prefix}encoder") or None,
        )

    def filled(self, ratio: float, weight: float) -> Policy:
        """Return it with the server's values where it has none of its own."""
        return replace(
            self,
            max_price_ratio=ratio if self.max_price_ratio is None else self.max_price_ratio,
            category_weight=weight if self.category_weight is None else self.category_weight,
        )

    def parameters(self, prefix: str = "") -> dict[str, str]:
        """Itself in an address."""
        ratio = self.max_price_ratio
        values = {
            "ratio": "" if ratio is None or math.isinf(ratio) else f"{ratio:g}",
            "no_band": "1" if ratio is not None and math.isinf(ratio) else "",
            "weight": "" if self.category_weight is None else f"{self.category_weight:g}",
            "encoder": self.encoder_id or "",
            "variant": self.variant or "",
        }
        return {f"{prefix}{name}": value for name, value in values.items() if value}


def page_size_of(parameters: Mapping[str, str]) -> int:
    """Return how many items to show."""
    chosen = parameters.get("size", "")
    return int(chosen) if chosen.isascii() and chosen.isdigit() and int(chosen) in PAGE_SIZES else PAGE_SIZES[1]


def address(path: str, *parameters: Mapping[str, str]) -> str:
    """Return an address of the console with parameters."""
    merged = {name: value for each in parameters for name, value in each.items()}
    return f"{path}?{urlencode(merged)}" if merged else path


async def ask(
    client: AsyncRuijiClient,
    subject: Subject,
    policy: Policy,
    page_size: int,
    *,
    explained: int = 0,
    why: Sequence[str] = (),
) -> SimilarItemsResponse:
    """Ask for a page; raises as `AsyncRuijiClient.similar_items` does."""
    query: dict[str, Any] = {"item_id": subject.item_id}
    if not subject.item_id:
        query = {"picture": subject.content, "price": subject.price, "category_path": subject.category_path}
    return await client.similar_items(
        **query,
        page_size=page_size,
        max_price_ratio=policy.max_price_ratio,
        category_weight=policy.category_weight,
        encoder_id=policy.encoder_id,
        variant=policy.variant,
        explain=True,
        explain_dropped=explained,
        explain_item_ids=why,
    )


def _number(parameters: Mapping[str, str], name: str) -> float | None:
    text = parameters.get(name, "")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise Problem(400, "That is no number", f"{name} is {text[:40]!r} in this address.") from None
