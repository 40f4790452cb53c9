"""The examples of the page on events work."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from ruiji_server.domain.errors import Reason
from ruiji_server.events.settings import EventSettings
from ruiji_server.services.server import ServerSettings

from tests.support.services import serving

PAGE = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
SENDING, QUERYING = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


async def test_what_the_example_sends_is_what_the_other_one_counts(
    filled_store, generations, events, monkeypatch, capfd
):
    settings = ServerSettings(
        address="127.0.0.1:0",
        drain_s=0.0,
        events=EventSettings(events.journal, impression_share=1.0),
        unit_key=events.root / "unit.key",
    )
    async with serving(filled_store.database, generations, settings) as server:
        code = SENDING.replace("localhost:50051", f"127.0.0.1:{server.port}").replace("A-1001", "item-00042")
        await asyncio.to_thread(exec, compile(code, "sending", "exec"), {})
    events.compact()
    assert events.rows("SELECT item_id, position FROM taps UNION ALL SELECT item_id, 3 FROM purchases")
    monkeypatch.chdir(events.root.parent)
    exec(compile(QUERYING, "querying", "exec"), {})  # noqa: S102
    shown = capfd.readouterr().out
    assert "client" in shown
    assert "server" in shown


def test_the_reasons_that_the_page_names_exist():
    named = set(re.findall(r"\((?:`)((?:EVENT|JOURNAL)_[A-Z_]+)`\)", PAGE))
    assert len(named) == 5
    assert named <= set(Reason)
