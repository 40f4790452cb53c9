"""A small catalogue with its exact answers, made once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.comparison.catalogue import prepare
from benchmarks.comparison.sources import synthetic

ITEMS = 2_500
"""Enough for Qdrant to make a graph."""
QUERIES = 40


@pytest.fixture(scope="session")
def work() -> Iterator[Path]:
    """A work folder as the harness fills it."""
    # Not pytest's: PostgreSQL runs as another user, who may not look in there.
    with tempfile.TemporaryDirectory(prefix="ruiji-comparison-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        prepare(folder, synthetic(ITEMS, 0), 0, measured=QUERIES, tuning=QUERIES // 2)
        yield folder
