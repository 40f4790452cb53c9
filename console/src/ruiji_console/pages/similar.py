"""The page an item or a picture gets, how it came about, and what is not on it."""

from __future__ import annotations

import asyncio
import math

from ruiji_client import InfoResponse
from starlette.requests import Request
from starlette.responses import Response

from ruiji_console.asking import (
    EXPLAINED,
    MAX_RATIO_OF_SLIDER,
    PAGE_SIZES,
    Policy,
    Subject,
    address,
    ask,
    page_size_of,
)
from ruiji_console.console import Console, console_of
from ruiji_console.listings import Listing
from ruiji_console.showing import cards, dropped_rows, steps


async def similar(request: Request) -> Response:
    """Show a page of similar items."""
    console = console_of(request)
    parameters = request.query_params
    subject, size = console.subject(parameters), page_size_of(parameters)
    asked = Policy.of(parameters)
    why = [item_id] if (item_id := parameters.get("why", "").strip()) else []
    listing, info, page = await asyncio.gather(
        own_listing(console, subject),
        console.info(),
        ask(console.client, subject, asked, size, explained=EXPLAINED, why=why),
    )
    dropped = page.explanation.dropped
    shown = [hit.item_id for hit in page.items] + [hit.item_id for hit in dropped]
    listings = await console.listings.get_many(shown)
    rows = dropped_rows(dropped, listings, subject.price if listing is None else listing.price)
    on_page = {hit.item_id: place for place, hit in enumerate(page.items, 1)}
    return console.page(
        request,
        "similar.html.jinja",
        subject=subject,
        listing=listing,
        policy=shown_policy(asked, info),
        asked=asked,
        info=info,
        sizes=PAGE_SIZES,
        size=size,
        max_ratio=MAX_RATIO_OF_SLIDER,
        answer=page,
        cards=cards(page, listings),
        dropped=rows,
        steps=steps(page),
        why=why[0] if why else "",
        why_row=next((row for row in rows if row.item_id in why), None),
        why_place=on_page.get(why[0]) if why else None,
        compare_address=address("/compare", subject.parameters, asked.parameters("b_"), {"size": str(size)}),
        reset_address=address("/similar", subject.parameters),
    )


async def own_listing(console: Console, subject: Subject) -> Listing | None:
    """Return the query's item, or None for a picture."""
    return await console.listings.get(subject.item_id) if subject.item_id else None


def shown_policy(asked: Policy, info: InfoResponse) -> Policy:
    """Return a policy as sliders show it: what is left to the server is at the server's values."""
    server = info.ranking_policy
    ratio = server.max_price_ratio
    # A band wider than the slider reaches is shown at its end.
    return asked.filled(ratio if math.isinf(ratio) else min(ratio, MAX_RATIO_OF_SLIDER), server.category_weight)
