"""A real Chromium without a window, found where Debian and others put it."""

from __future__ import annotations

import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> Path | None:
    """Return the browser's program, or None if this machine has none."""
    found = (shutil.which(name) for name in NAMES)
    return next((Path(path) for path in found if path), None)
