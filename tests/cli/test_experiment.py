"""Experiments from the command line, against a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ruiji_client import RuijiClient
from typer.testing import Result

from tests.support.installations import Installation, product

WIDER = """
name = "wider"
description = "is the band too narrow?"
traffic = 0.5

[[ramp]]
at = 2100-01-01T00:00:00Z
traffic = 1

[target]
categories = [["Fashion", "Shoes"]]
attributes.platform = ["ios", "android"]

[[variants]]
name = "control"
share = 0.25

[[variants]]
name = "wide"
share = 0.75
max_price_ratio = inf
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with product(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture
def experiment(ruiji: Callable[..., Result], server: Installation, monkeypatch: pytest.MonkeyPatch):
    """Run `ruiji experiment` against the server, as ada; what it prints comes back on one line."""
    monkeypatch.setenv("RUIJI_AUTHOR", "ada")
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments: object) -> str:
        result = ruiji("experiment", *arguments, "--target", server.target)
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())

    return run


def test_an_experiment_is_checked_put_shown_changed_rolled_back_and_stopped(
    ruiji, experiment, explained, server, tmp_path
):
    file = tmp_path / "wider.toml"
    file.write_text(WIDER)
    assert "wider can be put; nothing was written" in experiment("check", file)
    assert "wider" not in experiment("list")

    put = experiment("put", file, "-m", "prices vary")
    for part in ("running", "50% from", "100% from 2100-01-01 00:00:00", "Fashion / Shoes", "ios or android"):
        assert part in put
    assert "75%" in put
    assert "max_price_ratio inf" in put
    assert put == experiment("show", "wider")
    assert "control 25%, wide 75%" in experiment("list")
    with RuijiClient(server.target) as client:
        answer = client.similar_items(item_id=server.item_id, variant="wider/wide", explain=True)
    assert answer.explanation.max_price_ratio == float("inf")
    asked = ("similar", server.item_id, "--target", server.target)
    assert "wider/wide" in ruiji(*asked, "--variant", "wider/wide").output
    assert "wider/" not in ruiji(*asked, "--unit", "user-1").output, "it is aimed at platforms, and says none"

    again = ("experiment", "put", file, "-m", "again", "--target", server.target)
    assert "take another name" in explained(*again)
    assert "just so already" in experiment(*again[1:5], "--replace")
    file.write_text(WIDER.replace("traffic = 0.5", "traffic = 0.1"))
    assert "10% from" in experiment("put", file, "-m", "carefully", "--replace")
    file.write_text(WIDER.replace("inf", "4"))
    assert "under another name" in explained(*again, "--replace")

    assert "what it was in revision 1" in experiment("rollback", "wider", "-m", "back")
    assert "ends: " in experiment("stop", "wider", "-m", "enough")
    assert "ended already: " in experiment("stop", "wider", "-m", "really")
    history = experiment("history", "wider")
    for part in ("4", "stopped ada enough", "rolled back to 1 ada back", "put ada carefully", "put ada prices vary"):
        assert part in history


def test_an_aa_experiment_is_two_lines(experiment, tmp_path):
    file = tmp_path / "aa.toml"
    file.write_text('name = "aa"\naa_variants = 2\nlayer = "aa"')
    put = experiment("put", file, "-m", "try")
    assert (put.count("a1"), put.count("a2"), put.count("50%"), put.count("what the server does")) == (1, 1, 2, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (WIDER.replace("0.75", "0.7"), "variants: the shares add up to 9500 basis points"),
        (WIDER.replace("share", "shares", 1), "variants[0].share: it is missing"),
        (WIDER.replace("max_price_ratio = inf", 'encoder_id = "enc-nobody"'), "'enc-nobody' is not registered"),
        ("name =", "this is no TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(explained, server: Installation, tmp_path: Path, text: str, message: str):
    file = tmp_path / "x.toml"
    file.write_text(text.replace("wider", "other"))
    assert message in explained("experiment", "check", file, "--target", server.target)


def test_an_experiment_that_is_not_there_is_named(explained, server: Installation):
    assert "no experiment 'nobody'" in explained("experiment", "show", "nobody", "--target", server.target)
