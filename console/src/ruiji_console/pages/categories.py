"""The category tree with its coverage: how many of the items in it are embedded."""

from __future__ import annotations

import asyncio
from datetime import UTC

from starlette.requests import Request
from starlette.responses import Response

from ruiji_console.console import console_of


async def categories(request: Request) -> Response:
    """Show a category and those below it."""
    console = console_of(request)
    path = request.query_params.getlist("path")
    encoder_id = request.query_params.get("encoder") or None
    answer, info = await asyncio.gather(
        console.client.list_categories(path, encoder_id=encoder_id),
        console.info(),
    )
    return console.page(
        request,
        "categories.html.jinja",
        trail=list(path),
        category=answer.category,
        children=answer.children,
        largest=max((child.items for child in answer.children), default=0),
        encoder_id=answer.encoder_id,
        encoders=[encoder.encoder_id for encoder in info.serving_encoders],
        counted_at=answer.counted_at.ToDatetime(tzinfo=UTC),
    )
