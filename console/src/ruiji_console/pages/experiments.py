"""The experiments that run, are planned, or have ended."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from ruiji_console.console import console_of
from ruiji_console.experiments import trials


async def experiments(request: Request) -> Response:
    """Show experiments."""
    console = console_of(request)
    return console.page(request, "experiments.html.jinja", trials=await trials(console.client))
