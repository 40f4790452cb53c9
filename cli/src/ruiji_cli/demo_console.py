"""The end of the demo: the console on what it made, looked at once, and kept open where somebody can look at it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from urllib.parse import quote
from urllib.request import urlopen

from ruiji_cli.console import OUT
from ruiji_cli.console_page import DEFAULT_ADDRESS, console_settings, host_and_port

_TIMEOUT_S = 30.0


async def show_console(target: str, item_id: str, *, stay: bool) -> None:
    """Open the console, fetch its pages, and keep it open until Ctrl-C if that is wanted.

    Args:
        target: the server, host and port.
        item_id: whose page is shown first.
        stay: whether to keep it open.

    Raises:
        urllib.error.HTTPError: one of its pages failed.
    """
    from ruiji_console import serving_console

    host, port = host_and_port(DEFAULT_ADDRESS)
    settings = console_settings(target)
    async with AsyncExitStack() as stack:
        try:
            url = await stack.enter_async_context(serving_console(settings, host, port))
        except OSError:
            # Another console has the usual port.
            url = await stack.enter_async_context(serving_console(settings, host, 0))
        item = quote(item_id, safe="")
        paths = (
            "/",
            f"/similar?item={item}",
            f"/compare?item={item}",
            f"/pictures?item={item}",
            "/categories",
            "/health",
        )
        for path in paths:
            await asyncio.to_thread(_fetch, url + path)
        if not stay:
            OUT.print(f"The console answered with its {len(paths)} pages; in a terminal it would stay open.")
            return
        OUT.print(f"[bold]The console is at {url}/similar?item={item}[/] until you press Ctrl-C.", soft_wrap=True)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await stop.wait()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _fetch(url: str) -> None:
    with urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310  (our own address)
        answer.read()
