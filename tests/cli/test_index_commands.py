"""`ruiji index` from the command line: list, verify, gc, push, pull."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from ruiji_server.domain.items import Price
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.store.catalogue import CatalogueStore

from tests.support.catalogues import ENCODER_ID, build, fill_store
from tests.support.generations import copied


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A data folder with one generation; read-only by agreement."""
    data = tmp_path_factory.mktemp("data")
    store = fill_store(data, 120)
    build(store, data / "generations")
    store.database.close()
    return data


@pytest.fixture
def data(built, tmp_path) -> Path:
    """A data folder with three generations and no store."""
    whole = GenerationDirectory(built / "generations")
    directory = GenerationDirectory(tmp_path / "data" / "generations")
    for number in range(3):
        directory.publish(copied(whole.folder(whole.require()), directory, number).generation_id)
    return tmp_path / "data"


def name(number: int) -> str:
    return f"gen-20260101T{number:06d}-abcdef"


def test_verify_shows_each_band_beside_what_was_measured_when_it_was_built(ruiji, built):
    shown = ruiji("index", "verify", "--data", built).output
    for line in (
        "recall@20",
        "band of 50.0%",
        "band of 0.1%",
        "reachable",
        "neighbours in the table",
        "search breadth (ef)",
    ):
        assert line in shown


def test_verify_speaks_json(ruiji, built):
    found = json.loads(ruiji("index", "verify", "--data", built, "--json").stdout)
    assert found["encoder_id"] == ENCODER_ID
    assert found["below_floor"] == []
    assert [band["kept_share"] for band in found["measured"]["bands"]] == [0.5, 0.1, 0.01, 0.001]
    assert found["when_built"]["reachable_share"] == 1.0
    assert found["when_built"]["neighbours_recall"] == 1.0
    assert found["build_seconds"]["Build graph"] >= 0


def test_verify_ends_with_an_error_below_a_floor(ruiji, data):
    manifest = data / "generations" / name(2) / "manifest.json"
    assert manifest.exists()
    low = ruiji("index", "verify", "--data", data, "--recall-floor", "1.0", "--json")
    found = json.loads(low.stdout)
    assert low.exit_code == (1 if found["measured"]["recall_at_20"] < 1.0 else 0)


def test_list_marks_what_is_published(ruiji, data):
    shown = ruiji("index", "list", "--data", data).output.splitlines()
    assert [line for line in shown if "*" in line and name(2) in line]
    as_json = json.loads(ruiji("index", "list", "--data", data, "--json").stdout)
    assert [(each["generation_id"], each["published"]) for each in as_json] == [
        (name(2), True),
        (name(1), False),
        (name(0), False),
    ]


def test_list_shows_a_damaged_one(ruiji, data):
    (data / "generations" / name(1) / "manifest.json").write_text("{")
    assert "damaged" in ruiji("index", "list", "--data", data).output


def test_gc_says_what_went(ruiji, data):
    assert name(0) in ruiji("index", "gc", "--keep", "2", "--data", data).output
    assert "nothing to collect" in ruiji("index", "gc", "--keep", "2", "--data", data).output


def test_push_and_pull_move_a_generation(ruiji, data, tmp_path):
    url = (tmp_path / "remote").as_uri()
    assert f"published {name(2)}" in " ".join(ruiji("index", "push", url, "--data", data).output.split())
    pulled = ruiji("index", "pull", url, "--data", tmp_path / "other")
    assert f"published {name(2)}" in " ".join(pulled.output.split())
    assert GenerationDirectory(tmp_path / "other" / "generations").current_id() == name(2)
    again = " ".join(ruiji("index", "pull", url, "--data", tmp_path / "other").output.split())
    assert f"is published already: {name(2)}" in again


def test_pull_says_what_is_wrong(explained, tmp_path):
    assert "index push" in explained("index", "pull", (tmp_path / "nothing").as_uri(), "--data", tmp_path)


def test_a_limit_that_is_none_is_said(explained, built):
    assert "5000" in explained("index", "build", "--data", built, "--when-changed", "some")


def test_pull_follows_what_is_pushed_later(ruiji, data, tmp_path):
    url = (tmp_path / "remote").as_uri()
    there = GenerationDirectory(tmp_path / "other" / "generations")
    command = ["index", "pull", url, "--follow", "--every", "0.5", "--keep", "1", "--data", str(tmp_path / "other")]
    with subprocess.Popen(
        [sys.executable, "-m", "ruiji_cli", *command], env={**os.environ, "NO_COLOR": "1"}, stderr=subprocess.DEVNULL
    ) as follower:
        try:
            for number in (0, 1, 2):
                ruiji("index", "push", url, "--generation", name(number), "--data", data)
                deadline = time.monotonic() + 60
                while there.current_id() != name(number):
                    assert follower.poll() is None
                    assert time.monotonic() < deadline, "waited in vain"
                    time.sleep(0.05)
        finally:
            follower.terminate()
    there.open_current()


def test_a_builder_that_goes_on_for_ever_builds_when_enough_changed_and_collects(tmp_path):
    store = fill_store(tmp_path, 60)
    directory = GenerationDirectory(tmp_path / "generations")
    command = ["index", "build", "--data", str(tmp_path), "--when-changed", "10%", "--every", "1", "--keep", "1"]
    with subprocess.Popen(
        [sys.executable, "-m", "ruiji_cli", *command],
        env={**os.environ, "NO_COLOR": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as builder:  # fmt: skip
        try:
            first = wait_for_another(directory, None, builder)
            changed = [replace(item, price=Price(7, "JPY"), picture=None) for item in store.items[:6]]
            CatalogueStore(store.database).upsert("changed", "", changed)
            second = wait_for_another(directory, first, builder)
        finally:
            builder.terminate()
    store.database.close()
    assert directory.open_current().manifest.feed_position == 126
    # The builder may have been stopped before it came to collecting.
    assert set(directory.ids()) <= {first, second}


def wait_for_another(directory: GenerationDirectory, before: str | None, builder: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 90
    while (current := directory.current_id()) in {None, before}:
        assert builder.poll() is None
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return current
