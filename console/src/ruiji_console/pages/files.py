"""Pictures, small."""

from __future__ import annotations

import asyncio
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from ruiji_console.console import Console, console_of
from ruiji_console.pictures import THUMBNAIL_WIDTHS, NoPicture, thumbnail

_FOR_GOOD = "private, max-age=31536000, immutable"
_SHORTLY = "private, max-age=60"
_DAMAGED = Path(__file__).parents[1] / "static" / "damaged.svg"


async def item_picture(request: Request) -> Response:
    """Return an item's picture, scaled down; `v` in the address names its content, so that it can be kept for good."""
    console = console_of(request)
    item_id, version = request.query_params.get("item", ""), request.query_params.get("v", "")
    width = _width(request)
    etag = f'"{version}-{width}"'
    if version and request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag, "Cache-Control": _FOR_GOOD})
    key = (item_id, version, width)
    small = console.thumbnails.get(key) if version else None
    if small is None:
        stored = await console.client.get_item(item_id, include_picture=True)
        if not stored.item.picture_content:
            return PlainTextResponse("this item's picture lies elsewhere", 404)
        is_current = bool(version) and stored.picture_sha256.startswith(version)
        try:
            small = await _small(console, stored.item.picture_content, width)
        except NoPicture:
            # A broken image would say nothing; this one says that the listing's file is damaged.
            return FileResponse(_DAMAGED, headers={"Cache-Control": _SHORTLY})
        if not is_current:
            return Response(small, media_type="image/webp", headers={"Cache-Control": _SHORTLY})
        console.thumbnails.put(key, small)
    return Response(small, media_type="image/webp", headers={"ETag": etag, "Cache-Control": _FOR_GOOD})


async def uploaded_picture(request: Request) -> Response:
    """Return an uploaded picture, scaled down."""
    console = console_of(request)
    try:
        small = await _small(console, console.upload(request.path_params["digest"]), _width(request))
    except NoPicture:
        return FileResponse(_DAMAGED, headers={"Cache-Control": _SHORTLY})
    return Response(small, media_type="image/webp", headers={"Cache-Control": _FOR_GOOD})


async def _small(console: Console, content: bytes, width: int) -> bytes:
    max_pixels = (await console.info()).limits.max_picture_pixels
    # Few at a time: each may hold a decoded picture of 50 megapixels.
    async with console.decoding:
        return await asyncio.to_thread(thumbnail, content, width, max_pixels=max_pixels)


def _width(request: Request) -> int:
    chosen = request.query_params.get("w", "")
    wanted = int(chosen) if chosen.isascii() and chosen.isdigit() else max(THUMBNAIL_WIDTHS)
    return next((width for width in THUMBNAIL_WIDTHS if width >= wanted), max(THUMBNAIL_WIDTHS))
