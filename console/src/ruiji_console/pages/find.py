"""Finding an item by id, by words, by category, or with a picture."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ruiji_client import NotFoundError, RuijiClientError, SearchItemsResponse
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Message

from ruiji_console.asking import address
from ruiji_console.console import Console, console_of
from ruiji_console.listings import Listing
from ruiji_console.pictures import NoPicture, check_upload
from ruiji_console.problems import Problem

_PAGE_SIZE = 24
_ENVELOPE_BYTES = 64 * 1024
"""Of a form around its file."""
_LOOKS = 8
"""Pages of a search that are asked for in a row while nothing is found."""


async def find(request: Request) -> Response:
    """Show the search, what it found, and where to drop a picture."""
    return await _find_page(request)


async def take_picture(request: Request) -> Response:
    """Take an uploaded picture and go on to its page; say what is wrong with one that cannot be a query."""
    console = console_of(request)
    limits = (await console.info()).limits
    content = await _uploaded_file(request, limits.max_picture_bytes + _ENVELOPE_BYTES)
    try:
        await asyncio.to_thread(
            check_upload, content, max_bytes=limits.max_picture_bytes, max_pixels=limits.max_picture_pixels
        )
    except NoPicture as refusal:
        return await _find_page(request, refusal=str(refusal), status=422)
    return RedirectResponse(address("/similar", {"picture": console.hold_upload(content)}), 303)


async def _find_page(request: Request, *, refusal: str = "", status: int = 200) -> Response:
    console = console_of(request)
    words = request.query_params.get("q", "").strip()
    category = request.query_params.getlist("category")
    token = request.query_params.get("after", "")
    exact = await _exact(console, words)
    answer, info = await asyncio.gather(_search(console, words, category, token), console.info())
    found = [console.listings.shown(hit.item, hit.picture_sha256) for hit in answer.items]
    if exact is not None:
        found = [exact, *(listing for listing in found if listing.item_id != exact.item_id)]
    elif words and " " not in words and not token:
        found = await _by_id(console, words, found)
    return console.page(
        request,
        "find.html.jinja",
        status,
        words=words,
        category=category,
        found=found,
        after=answer.next_page_token,
        refusal=refusal,
        max_picture_bytes=info.limits.max_picture_bytes,
    )


async def _exact(console: Console, words: str) -> Listing | None:
    """Return the item whose id was typed, if there is one."""
    if not words:
        return None
    try:
        return await console.listings.get(words)
    except NotFoundError:
        return None
    except RuijiClientError as error:
        # Words need not be a possible id.
        if error.reason == "ITEM_ID_INVALID":
            return None
        raise


async def _search(console: Console, words: str, category: Sequence[str], token: str) -> SearchItemsResponse:
    for _ in range(_LOOKS):
        answer = await console.client.search_items(
            words, category_prefix=category, page_size=_PAGE_SIZE, page_token=token
        )
        if answer.items or not answer.next_page_token:
            break
        token = answer.next_page_token
    return answer


async def _by_id(console: Console, beginning: str, found: Sequence[Listing]) -> list[Listing]:
    """Put items in front whose id begins with what was typed."""
    try:
        answer = await console.client.search_items(item_id_prefix=beginning, page_size=_PAGE_SIZE)
    except RuijiClientError as error:
        if error.reason != "ITEM_ID_INVALID":
            raise
        return list(found)
    first = [console.listings.shown(hit.item, hit.picture_sha256) for hit in answer.items]
    known = {listing.item_id for listing in first}
    return first + [listing for listing in found if listing.item_id not in known]


async def _uploaded_file(request: Request, max_bytes: int) -> bytes:
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise Problem(413, "The file is too large", f"At most {max_bytes / 1e6:.0f} MB are taken.")
        return message

    if int(request.headers.get("content-length", "0")) > max_bytes:
        raise Problem(413, "The file is too large", f"At most {max_bytes / 1e6:.0f} MB are taken.")
    async with Request(request.scope, receive).form(max_files=1, max_fields=4) as form:
        file = form.get("picture")
        return await file.read() if isinstance(file, UploadFile) else b""
