"""Generations of several encoders stand side by side, and none is ever opened as another's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import DamagedGeneration, GenerationError
from ruiji_server.generations.manifest import read_manifest, write_manifest

from tests.support.catalogues import ENCODER_ID, FilledStore, build

OTHER = "enc-ffffffffffffffff"


@pytest.fixture
def directory(filled_store: FilledStore, tmp_path: Path) -> GenerationDirectory:
    """Holds one published generation of `ENCODER_ID`."""
    return build(filled_store, tmp_path)[0]


def relabelled(directory: GenerationDirectory, generation_id: str) -> str:
    """Make a generation of another encoder, newer than what is there."""
    folder = directory.folder(generation_id)
    folder.mkdir()
    source = directory.folder(directory.current_id(ENCODER_ID))
    for path in source.iterdir():
        (folder / path.name).hardlink_to(path)
    (folder / "manifest.json").unlink()
    write_manifest(folder, replace(read_manifest(source), generation_id=generation_id, encoder_id=OTHER))
    return generation_id


def test_publishing_one_encoder_leaves_the_others_as_they_were(directory):
    first = directory.current_id()
    second = relabelled(directory, "gen-99990101T000000-abcdef")
    directory.publish(second)
    assert directory.published() == {ENCODER_ID: first, OTHER: second}
    assert directory.open_current(ENCODER_ID).manifest.generation_id == first
    assert directory.open_current(OTHER).manifest.generation_id == second


def test_with_several_encoders_one_must_be_named(directory):
    directory.publish(relabelled(directory, "gen-99990101T000000-abcdef"))
    with pytest.raises(GenerationError, match=f"name one: {ENCODER_ID}, {OTHER}"):
        directory.open_current()


def test_a_generation_of_another_encoder_is_refused_even_if_a_pointer_names_it(directory):
    second = relabelled(directory, "gen-99990101T000000-abcdef")
    (directory.root / f"CURRENT.{ENCODER_ID}").write_text(second)
    with pytest.raises(GenerationError, match=f"is a generation of encoder {OTHER}, not of {ENCODER_ID}"):
        directory.open_current(ENCODER_ID)


def test_another_encoders_generation_never_stands_in_for_a_damaged_one(directory):
    relabelled(directory, "gen-00010101T000000-abcdef")
    damaged = directory.folder(directory.current_id(ENCODER_ID)) / "manifest.json"
    damaged.write_text(json.dumps(json.loads(damaged.read_text()) | {"files": {"state.npy": "0"}}))
    with pytest.raises(DamagedGeneration):
        directory.open_current(ENCODER_ID)


def test_what_the_first_release_published_is_served_until_it_is_published_anew(directory):
    before = directory.current_id()
    (directory.root / f"CURRENT.{ENCODER_ID}").rename(directory.root / "CURRENT")
    assert directory.published() == {ENCODER_ID: before}
    assert directory.open_current(ENCODER_ID).manifest.generation_id == before
    assert directory.current_id(OTHER) is None
    (directory.root / f"CURRENT.{ENCODER_ID}").write_text("gen-newer")
    assert directory.current_id() == directory.current_id(ENCODER_ID) == "gen-newer"
