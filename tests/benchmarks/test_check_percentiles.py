"""Locust and the open loop see the same percentiles, and the command says so by its exit code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ruiji_client import Item, Price, RuijiClient

from benchmarks.check_percentiles import agree
from benchmarks.comparison.processes import ROOT
from tests.support.reference_server import PICTURE_SIGNATURES, Fault, reference_server

ITEM_IDS = ("item-1", "item-2")


@pytest.fixture
def item_ids(tmp_path: Path) -> Path:
    path = tmp_path / "ids.txt"
    path.write_text("\n".join(ITEM_IDS) + "\n")
    return path


def check(target: str, item_ids: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.check_percentiles", target, "--item-ids", str(item_ids), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.parametrize(
    ("one_ms", "other_ms", "same"),
    [(100.0, 100.0, True), (100.0, 81.0, True), (100.0, 79.0, False), (79.0, 100.0, False), (2.0, 1.1, True)],
)
def test_percentiles_agree_within_a_fifth_or_the_millisecond_of_locust(
    one_ms: float, other_ms: float, same: bool
) -> None:
    assert agree(one_ms, other_ms) is same


def test_without_a_server_it_says_that_the_load_failed(item_ids: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        result = check(f"127.0.0.1:{nobody.getsockname()[1]}", item_ids, "--rate", "10", "--seconds", "1")
    assert result.returncode == 1
    assert "the load failed, so there is nothing to compare" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("RUIJI_SLOW") != "1", reason="takes half a minute; set RUIJI_SLOW=1 to run it")
def test_both_generators_see_a_server_that_takes_its_time(item_ids: Path) -> None:
    """Each answer takes 0.4 s, far above what the machine adds, so both must find just that."""
    with reference_server() as server:
        price = Price(amount_minor=1000, currency_code="JPY")
        with RuijiClient(server.target) as client:
            client.upsert_items(
                Item(item_id=item_id, price=price, picture_content=PICTURE_SIGNATURES[0]) for item_id in ITEM_IDS
            )
        server.every_call = Fault(delay_s=0.4)
        result = check(server.target, item_ids, "--rate", "5", "--seconds", "6")
    assert result.returncode == 0, result.stdout + result.stderr
