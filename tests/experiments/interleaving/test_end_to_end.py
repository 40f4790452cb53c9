"""An interleaved experiment from its file to its report: command, real server, shoppers, events, verdict."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from ruiji_cli.main import app
from ruiji_cli.patience import PATIENT
from ruiji_client import AsyncRuijiClient, ClientSettings
from ruiji_events.compaction import compact
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder
from ruiji_experiments.shoppers.people import Shoppers
from ruiji_experiments.shoppers.shopping import ArmTally, shop
from typer.testing import CliRunner

from tests.support.catalogues import Catalogue
from tests.support.shops import SHOPPERS, open_shop

DEFINITION = """
name = "weights"
interleaved = true

[[variants]]
name = "control"
category_weight = 0.0

[[variants]]
name = "kinds"
category_weight = 1.0
"""
AGAINST_ITSELF = 'name = "weights"\ninterleaved = true\naa_variants = 2'


def command(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["experiment", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


async def a_day(stock: Catalogue, shoppers: Shoppers, folder: Path, definition: str) -> dict[str, ArmTally]:
    """Put the experiment by the command, let everybody shop, and make partitions."""
    file = folder / "weights.toml"
    file.write_text(definition, encoding="utf-8")
    async with open_shop(stock, folder) as target:
        put = await asyncio.to_thread(command, "put", file, "-m", "to see", "--author", "ada", "--target", target)
        assert "each page is drawn from both variants by turns" in put
        assert "+" in await asyncio.to_thread(command, "list", "--target", target)
        async with AsyncRuijiClient(ClientSettings(target, deadlines=PATIENT)) as client:
            tallies = await shop(client, shoppers, "weights")
    compact(EventFolder(str(folder / "events")), folder / "journal")
    return tallies


async def test_what_shoppers_prefer_is_found_and_every_tap_is_where_it_belongs(stock, shoppers, tmp_path):
    tallies = await a_day(stock, shoppers, tmp_path, DEFINITION)
    options = ("--events", tmp_path / "events", "--definition", tmp_path / "weights.toml", "--out", tmp_path / "report")
    shown = await asyncio.to_thread(command, "report", "weights", *options)
    verdict = json.loads((tmp_path / "report" / "verdict.json").read_text())
    results = json.loads((tmp_path / "report" / "results.json").read_text())
    assert (verdict["preference"] > 0.2, verdict["p_value"] < 0.001, verdict["rollback"]) == (True, True, False)
    # One time in a thousand coins look unfair, and then the report rightly says that it is not to be believed.
    assert (verdict["preferred"] == "kinds") is ("kinds is preferred (p < 0.001)" in shown) is verdict["trustworthy"]
    # The report counts exactly what the shoppers did, and whose items they did it with.
    for team in results["teams"]:
        tally = tallies[team["variant"]]
        assert (team["items"], team["taps"]) == (tally.items_shown, tally.taps)
    assert results["units"] == SHOPPERS
    assert results["impressions"] == sum(tally.items_shown for tally in tallies.values())
    with EventQueries(EventFolder(str(tmp_path / "events"))) as events:
        [[taps]] = events.sql("SELECT count(*) FROM taps").fetchall()
    assert taps == sum(tally.taps for tally in tallies.values())
    assert (tmp_path / "report" / "report.html").stat().st_size > 10_000


async def test_a_variant_against_itself_gets_its_half_of_everything(stock, shoppers, tmp_path):
    tallies = await a_day(stock, shoppers, tmp_path, AGAINST_ITSELF)
    options = ("--control", "a1", "--events", tmp_path / "events", "--out", tmp_path / "report")
    await asyncio.to_thread(command, "report", "weights", *options)
    verdict = json.loads((tmp_path / "report" / "verdict.json").read_text())
    assert (verdict["control"], verdict["treatment"]) == ("a1", "a2")
    # Coins differ each time; only luck of one in a hundred thousand gets beyond this.
    assert verdict["p_value"] > 1e-5
    assert abs(tallies["a1"].items_shown - tallies["a2"].items_shown) < 0.1 * tallies["a1"].items_shown
