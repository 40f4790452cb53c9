"""The servers against which the contract is tried, each with the same kind of catalogue."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ruiji_client import Item, Price, RuijiClient

from tests.support.catalogues import png
from tests.support.reference_server import reference_server


@dataclass(frozen=True)
class Installation:
    """A running server, and what its catalogue is known to hold."""

    target: str
    item_id: str = "item-00000"
    """On sale, embedded, and in the generation that serves; at least 50 others are."""


@contextmanager
def reference(_folder: Path) -> Iterator[Installation]:
    """The small server that the client's other tests use."""
    with reference_server() as server, RuijiClient(server.target) as client:
        price = Price(amount_minor=1000, currency_code="JPY")
        client.upsert_items(
            Item(item_id=f"item-{n:05d}", price=price, category_path=["Shoes"], picture_content=png((n, n, n)))
            for n in range(60)
        )
        yield Installation(server.target)


@contextmanager
def product(folder: Path) -> Iterator[Installation]:
    """Ruiji's own server, in a process of its own."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.product_process", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            assert port, "the server did not start; its standard error says why"
            yield Installation(f"localhost:{port}")
        finally:
            # It ends when its standard input does; leaving the block waits for it.
            process.stdin.close()


INSTALLATIONS: dict[str, Callable[[Path], AbstractContextManager[Installation]]] = {
    "reference": reference,
    "product": product,
}
