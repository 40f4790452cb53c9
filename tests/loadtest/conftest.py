"""A small real server with a few items, and the file that names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruiji_client import Item, Price, RuijiClient

from tests.support.reference_server import PICTURE_SIGNATURES, ReferenceServer, reference_server

ITEM_IDS = tuple(f"item-{number}" for number in range(10))


@pytest.fixture
def server() -> Iterator[ReferenceServer]:
    """A server that answers at most eight calls at a time."""
    with reference_server() as running:
        with RuijiClient(running.target) as client:
            price = Price(amount_minor=1000, currency_code="JPY")
            client.upsert_items(
                Item(item_id=item_id, price=price, picture_content=PICTURE_SIGNATURES[0]) for item_id in ITEM_IDS
            )
        running.seen.clear()
        yield running


@pytest.fixture
def item_ids() -> tuple[str, ...]:
    return ITEM_IDS


@pytest.fixture
def item_ids_file(tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(ITEM_IDS) + "\n")
    return path
