"""A server, the console on it as a process of its own, and a browser, shared by the tests that only look."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.chromium import find_chromium
from tests.support.published_reports import begin_experiments

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}
PATIENCE_MS = 15_000
CHEAP = ("--disable-dev-shm-usage", "--disable-gpu", "--disable-software-rasterizer", "--disable-extensions")
"""Nothing here is drawn by a graphics card, and emulating one costs more than all the rest."""

OpenPage = Callable[..., Page]


@contextmanager
def running_console(target: str, *options: str) -> Iterator[str]:
    """Run `ruiji console` on a free port; yield its address. It must end by itself on SIGTERM."""
    command = [sys.executable, "-m", "ruiji_cli", "console", "--target", target, "--address", "127.0.0.1:0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    with process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            address = re.search(r"http://\S+", said)
            assert address, f"the console did not start: {said!r}; its standard error says why"
            yield address[0]
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


@pytest.fixture(scope="session")
def server_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server over a small rendered catalogue; read-only by agreement."""
    folder = tmp_path_factory.mktemp("pictured")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.pictured_process", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            assert port, "the server did not start; its standard error says why"
            begin_experiments(f"127.0.0.1:{port}")
            yield int(port)
        finally:
            process.stdin.close()


@pytest.fixture(scope="session")
def console_url(server_port: int) -> Iterator[str]:
    """The address of a console on it."""
    with running_console(f"127.0.0.1:{server_port}") as url:
        yield url


# Of a module and not of the session: while Playwright lives, its event loop runs in this thread, and asynchronous tests
# of other files cannot.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium without a window; skips where there is none."""
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium here: `apt-get install chromium`")
    with sync_playwright() as playwright:
        # Root may not use the sandbox; the pages are our own.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=[*options, *CHEAP])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, console_url: str) -> Iterator[OpenPage]:
    """Open an address of the console in a fresh browser; whatever the browser complains about fails the test.

    Keywords are those of `Browser.new_context`; `complaints` is a list that takes the complaints instead.
    """
    expect.set_options(timeout=PATIENCE_MS)
    contexts = []
    unexpected: list[str] = []

    def open_one(path: str, *, complaints: list[str] | None = None, url: str = console_url, **options: object) -> Page:
        heard = unexpected if complaints is None else complaints
        context = browser.new_context(base_url=url, **options)  # type: ignore[arg-type]  # playwright's own names
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda said: heard.append(f"{said.type}: {said.text}") if said.type != "log" else None)
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("requestfailed", lambda request: heard.append(f"failed: {request.url}") if _counts(request) else None)
        page.goto(path)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert unexpected == []


def _counts(request: object) -> bool:
    # A newer question takes the place of one that is under way.
    return "ERR_ABORTED" not in (getattr(request, "failure", None) or "")
