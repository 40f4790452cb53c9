"""What all pages share: the client, what is held in memory, the templates."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from ruiji_client import AsyncRuijiClient, InfoResponse
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ruiji_console.asking import Subject, address
from ruiji_console.held import HeldBytes
from ruiji_console.listings import Listings
from ruiji_console.prices import price_text
from ruiji_console.problems import Problem
from ruiji_console.settings import ConsoleSettings

_DIGEST_CHARS = 32
_THUMBNAILS_AT_ONCE = 4


class Console:
    """One running console. Make it in the event loop that serves it."""

    def __init__(self, settings: ConsoleSettings) -> None:
        self.settings = settings
        self.client = AsyncRuijiClient(settings.client)
        self.listings = Listings(self.client, settings.picture_origins)
        self.thumbnails: HeldBytes[tuple[str, str, int]] = HeldBytes(settings.held_thumbnails_bytes)
        self.decoding = asyncio.Semaphore(_THUMBNAILS_AT_ONCE)
        self._uploads: HeldBytes[str] = HeldBytes(settings.held_uploads_bytes)
        self._templates = _templates()

    async def close(self) -> None:
        """Close the connection to the server."""
        await self.client.close()

    async def info(self) -> InfoResponse:
        """Return what serves; raises as `AsyncRuijiClient.info` does."""
        return await self.client.info()

    def hold_upload(self, content: bytes) -> str:
        """Keep an uploaded picture for a while; return the name under which it can be asked for."""
        digest = hashlib.sha256(content).hexdigest()[:_DIGEST_CHARS]
        self._uploads.put(digest, content)
        return digest

    def upload(self, digest: str) -> bytes:
        """Return an uploaded picture.

        Raises:
            Problem: it is not held any more.
        """
        content = self._uploads.get(digest)
        if content is None:
            raise Problem(
                404,
                "This picture is not held any more",
                "Uploaded pictures stay in the console's memory for a while and are nowhere else.",
                "Upload it again.",
            )
        return content

    def subject(self, parameters: Mapping[str, str]) -> Subject:
        """Return what a page is about.

        Raises:
            Problem: the address names nothing, or an upload that is not held any more.
        """
        if parameters.get("item"):
            return Subject(item_id=parameters["item"])
        digest = parameters.get("picture", "")
        if not digest:
            raise Problem(400, "Nothing to look like", "This address names no item.", "Find one, or upload a picture.")
        return Subject(
            digest=digest,
            content=self.upload(digest),
            amount=parameters.get("price", "").strip(),
            currency=parameters.get("currency", "").strip().upper() or "JPY",
            category=parameters.get("category", "").strip(),
        )

    def page(self, request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401  (any template's)
        """Return a page."""
        text = self._templates.get_template(template).render(
            path=request.url.path, target=self.settings.client.target, **values
        )
        # Pages show what is true now; pictures have their own rules.
        return HTMLResponse(text, status_code, headers={"Cache-Control": "no-store"})


def console_of(request: Request) -> Console:
    """Return the console that a request reached."""
    console: Console = request.app.state.console
    return console


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("ruiji_console", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["address"] = address
    filters: dict[str, Callable[..., str]] = {
        "price": price_text,
        "count": lambda number: f"{number:,}",
        "two": _two,
        "percent": _percent,
        "duration": _duration,
    }
    environment.filters.update(filters)
    return environment


def _two(number: float) -> str:
    """Return a number with two digits after the point; never a minus before zero."""
    return f"{number:.2f}".replace("-0.00", "0.00")


def _percent(share: float) -> str:
    """Return a share as a percentage; what is not quite everything is never shown as 100 %."""
    text = f"{100 * share:.1f}"
    if text == "100.0":
        return "100 %" if share >= 1.0 else "> 99.9 %"
    return f"{text.removesuffix('.0')} %"


def _duration(seconds: float) -> str:
    """Return a duration in one or two units."""
    if seconds < 1:
        return f"{1_000 * seconds:.0f} ms"
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    whole = round(seconds)
    first = next(place for place, (size, _) in enumerate(units) if whole >= size)
    parts = []
    for size, name in units[first : first + 2]:
        number, whole = divmod(whole, size)
        if number:
            parts.append(f"{number} {name}")
    return " ".join(parts)
