"""Takes the pictures of docs/console.md: `python -m tests.console.screenshots CONSOLE_URL PICTURE [FOLDER]`.

The console is to run on the demo's catalogue, and the picture is to be one of its files. The pictures of experiments
are of a catalogue where `ruiji experiment demo` has published its report, and another experiment runs.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tests.support.chromium import find_chromium

MOST_BYTES = 300_000
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True,
}  # fmt: skip
ITEM = "demo-000002"
SHOTS: dict[str, tuple[str, dict[str, Any]]] = {
    "find": ("/?q=sneakers", DESKTOP),
    "similar": (f"/similar?item={ITEM}&ratio=1.5", DESKTOP),
    "similar-dark": (f"/similar?item={ITEM}", {**DESKTOP, "color_scheme": "dark"}),
    "why": (f"/similar?item={ITEM}&size=12&why=demo-000009#how", DESKTOP),
    "compare": (f"/compare?item={ITEM}&size=12&b_ratio=1.3&b_weight=0.5", DESKTOP),
    "categories": ("/categories?path=Fashion", DESKTOP),
    "health": ("/health", DESKTOP),
    "experiments": ("/experiments#trial-2", DESKTOP),
    "phone": (f"/similar?item={ITEM}", PHONE),
    "phone-compare": (f"/compare?item={ITEM}&size=12&b_ratio=1.3", PHONE),
    "phone-experiments": ("/experiments#trial-2", PHONE),
}


def shoot(browser: Browser, url: str, path: str | None, picture: Path, options: dict[str, Any]) -> bytes:
    """Return a PNG of 256 colours of what somebody sees first; without a path, of a picture's page."""
    page = browser.new_page(base_url=url, **options)
    page.goto(path or "/")
    if path is None:
        page.locator("input[type=file]").set_input_files(picture)
        page.get_by_role("button", name="Ask with it").click()
        page.locator(".hit").first.wait_for()
    page.wait_for_load_state("networkidle")
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        file = io.BytesIO()
        shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    page.close()
    return file.getvalue()


def main(url: str, picture: str, folder: str = "docs/console") -> None:
    """Take all of them."""
    program = find_chromium()
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        for name, (path, look) in {**SHOTS, "picture": (None, DESKTOP)}.items():
            content = shoot(browser, url, path, Path(picture), look)
            assert len(content) < MOST_BYTES, f"{name} has {len(content)} bytes"
            (Path(folder) / f"{name}.png").write_bytes(content)


if __name__ == "__main__":
    main(*sys.argv[1:])
