"""The experiments that run, are planned, or have ended, and what was found of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from ruiji_console.console import console_of
from ruiji_console.experiments import trials
from ruiji_console.reports import latest_reports


async def experiments(request: Request) -> Response:
    """Show experiments."""
    console = console_of(request)
    found, reports = await asyncio.gather(trials(console.client), latest_reports(console.client, datetime.now(UTC)))
    return console.page(request, "experiments.html.jinja", trials=found, reports=reports)
