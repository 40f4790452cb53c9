"""Helpers that every test of importing takes as a fixture."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from ruiji_server.domain.items import Item
from ruiji_server.importing import ImportSettings, RowError, open_catalogue

Read = Callable[..., list[Item | RowError]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a table and read it: `read("items.csv", "id,...", settings, [pictures])`."""

    def read(
        name: str, content: str | bytes, settings: ImportSettings | None = None, pictures: Sequence[Path] = ()
    ) -> list[Item | RowError]:
        table = tmp_path / name
        table.write_bytes(content.encode() if isinstance(content, str) else content)
        with open_catalogue(table, pictures, settings) as catalogue:
            return list(catalogue)

    return read


@pytest.fixture
def pyarrow() -> ModuleType:
    """pyarrow, where it loads."""
    major = {name: int(version(name).split(".")[0]) for name in ("numpy", "pyarrow")}
    if major["numpy"] < 2 and major["pyarrow"] >= 26:
        pytest.skip("pyarrow 26 does not load with NumPy 1, which the wheel of Triton pins")
    importlib.import_module("pyarrow.parquet")
    return importlib.import_module("pyarrow")
