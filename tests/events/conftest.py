"""A folder of events, and events to put there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.events import Events


@pytest.fixture
def events(tmp_path: Path) -> Events:
    return Events(tmp_path / "events")
