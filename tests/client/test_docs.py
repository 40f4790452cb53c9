"""The examples that people copy work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruiji_client import Item, Price, RuijiClient
from ruiji_server.domain.errors import Reason

from tests.support.reference_server import PICTURE_SIGNATURES, ReferenceServer

ROOT = Path(__file__).parents[2]
TARGET = "localhost:50051"


PAGES = (ROOT / "client" / "README.md", ROOT / "docs" / "client.md", ROOT / "docs" / "experiments.md")
EXAMPLES = {
    f"{page.name}-{number}": code
    for page in PAGES
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE))
}


@pytest.mark.parametrize("code", EXAMPLES.values(), ids=EXAMPLES)
def test_an_example_runs_as_it_stands(
    code: str, server: ReferenceServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert TARGET in code
    monkeypatch.chdir(tmp_path)
    Path("shoe.png").write_bytes(PICTURE_SIGNATURES[0])
    with RuijiClient(server.target) as client:
        price = Price(amount_minor=5000, currency_code="JPY")
        ids = ("item-00000", "item-00001", "item-00002")
        client.upsert_items(
            Item(item_id=item_id, price=price, picture_content=PICTURE_SIGNATURES[0]) for item_id in ids
        )
    server.seen.clear()
    exec(compile(code.replace(TARGET, server.target), "example", "exec"), {"__name__": "__main__"})  # noqa: S102
    assert server.seen


def test_the_reasons_that_the_page_names_exist() -> None:
    named = set(re.findall(r"\b(?:EMBEDDING|ENCODER|ITEM)_[A-Z_]+\b", (ROOT / "docs" / "client.md").read_text()))
    assert named
    assert named <= set(Reason)
