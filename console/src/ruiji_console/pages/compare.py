"""Two ways to answer one query, side by side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ruiji_client import InfoResponse, SimilarItemsResponse
from starlette.requests import Request
from starlette.responses import Response

from ruiji_console.asking import MAX_RATIO_OF_SLIDER, PAGE_SIZES, Policy, address, ask, page_size_of
from ruiji_console.comparing import Difference, Place, compare
from ruiji_console.console import console_of
from ruiji_console.experiments import running_variants
from ruiji_console.pages.similar import own_listing, shown_policy
from ruiji_console.showing import Card, cards


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    prefix: str
    name: str
    policy: Policy
    """As its controls show it."""
    answer: SimilarItemsResponse
    places: list[tuple[Place, Card]]


async def compare_pages(request: Request) -> Response:
    """Show two pages for one query."""
    console = console_of(request)
    parameters = request.query_params
    if not parameters.get("item") and not parameters.get("picture"):
        kept = {name: value for name, value in parameters.items() if name.startswith(("a_", "b_"))}
        return console.page(request, "compare_start.html.jinja", kept=kept)
    subject, size = console.subject(parameters), page_size_of(parameters)
    left, right = Policy.of(parameters, "a_"), Policy.of(parameters, "b_")
    listing, info, variants, one, other = await asyncio.gather(
        own_listing(console, subject),
        console.info(),
        running_variants(console.client),
        ask(console.client, subject, left, size),
        ask(console.client, subject, right, size),
    )
    listings = await console.listings.get_many(hit.item_id for page in (one, other) for hit in page.items)
    compared = compare([hit.item_id for hit in one.items], [hit.item_id for hit in other.items])

    def side(prefix: str, name: str, asked: Policy, answer: SimilarItemsResponse, places: tuple[Place, ...]) -> Side:
        pairs = list(zip(places, cards(answer, listings), strict=True))
        return Side(prefix, name, shown_policy(asked, info), answer, pairs)

    return console.page(
        request,
        "compare.html.jinja",
        subject=subject,
        listing=listing,
        sides=(
            side("a_", "A", left, one, compared.left),
            side("b_", "B", right, other, compared.right),
        ),
        compared=compared,
        Difference=Difference,
        encoders=_encoder_ids(info),
        variants=variants,
        sizes=PAGE_SIZES,
        size=size,
        max_ratio=MAX_RATIO_OF_SLIDER,
        swap_address=address(
            "/compare", subject.parameters, right.parameters("a_"), left.parameters("b_"), {"size": str(size)}
        ),
    )


def _encoder_ids(info: InfoResponse) -> list[str]:
    return [encoder.encoder_id for encoder in info.serving_encoders]
