"""The builder is killed before each of its steps on the disk: what was published before stands, or the new one does."""

from __future__ import annotations

import dataclasses
import subprocess

import numpy as np
import pytest
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.store.catalogue import CatalogueStore

from tests.drills.build_steps import find_strace, kill_before, steps_of
from tests.drills.kills import unfinished
from tests.drills.processes import ruiji
from tests.support.catalogues import fill_store

pytestmark = pytest.mark.drill

ITEMS = 300


@pytest.fixture(scope="module")
def strace() -> str:
    found = find_strace()
    if found is None:
        pytest.skip("strace is not installed, or may not trace here")
    return found


def test_a_builder_killed_before_any_step_leaves_a_whole_generation_published(strace, tmp_path, drill_is_long):
    store = fill_store(tmp_path, ITEMS)
    generations = tmp_path / "generations"
    command = ruiji("index", "build", "--data", tmp_path)
    steps = steps_of(strace, command, generations, tmp_path / "trace")
    assert {step.call for step in steps} >= {"mkdir", "openat", "fsync", "rename"}
    directory = GenerationDirectory(generations)
    if not drill_is_long:
        # The most delicate one: everything is written, and nothing is published.
        steps = [step for step in steps if step.call == "rename"][-1:]
    for step in steps:
        before = directory.open_current().manifest
        change(store)
        assert kill_before(strace, command, step), f"{step} was not reached"
        after = directory.open_current().manifest
        assert after.generation_id == before.generation_id or after.feed_position > before.feed_position, step
        assert after.items == ITEMS
    subprocess.run(command, check=True, capture_output=True)
    assert directory.open_current().manifest.generation_id not in {before.generation_id, after.generation_id}
    assert unfinished(generations) == [], "a later build takes away what killed ones left"


def change(store) -> None:
    item = dataclasses.replace(store.items[0], title=f"{np.random.default_rng().integers(1 << 60)}")
    CatalogueStore(store.database).upsert(item.title, item.title, [item])
