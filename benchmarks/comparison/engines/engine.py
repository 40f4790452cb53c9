"""What the harness needs of a vector library."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from benchmarks.comparison.job import Catalogue, Cosines, Rows

CONNECTIVITY = 16
EXPANSION_ADD = 128
"""All graphs are built with the same two numbers (M and ef_construction), Ruiji's included."""
LADDER = (64, 96, 128, 192, 256, 384, 512, 768, 1_024, 1_536)
"""Breadths that are tried, ascending: ef, and the neighbours asked for where filtering comes after the search."""


class Engine(Protocol):
    """An index that was built and is open. May be asked by one event loop."""

    async def candidates(self, row: int, breadth: int) -> tuple[Rows, Cosines]:
        """Return up to 100 rows that are eligible for an item's page, nearest first, with their cosines.

        Args:
            row: the query.
            breadth: of the search; more finds more and takes longer.
        """

    async def close(self) -> None:
        """Let go of everything."""


class EngineModule(Protocol):
    """A module of this package that wraps a library."""

    def build(self, catalogue: Catalogue, folder: Path) -> None:
        """Build the index into an empty folder."""

    async def open_engine(self, catalogue: Catalogue, folder: Path) -> Engine:
        """Open the index for serving."""


def engine_module(name: str) -> EngineModule:
    """Return the module of an engine; only its own library is imported."""
    return cast("EngineModule", import_module(f"{__package__}.{name}"))
