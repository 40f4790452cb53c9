"""Vectors of two encoders cannot be compared, so none may meet: each test tries one way to mix them, and fails to."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from ruiji_client import FailedPreconditionError
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import DamagedGeneration, GenerationError
from ruiji_server.generations.generation import open_generation
from ruiji_server.generations.manifest import read_manifest, write_manifest
from ruiji_server.services.serving import ServingGenerations
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.encoders import EncoderStateError, register_encoder
from ruiji_server.store.feed import FeedReader
from ruiji_server.store.rollout import promote, retire
from ruiji_server.store.snapshot import open_snapshot

from tests.support.catalogues import (
    DIMENSIONS,
    ENCODER_ID,
    FilledStore,
    SilentBuild,
    an_item,
    build,
    clustered_vectors,
    fill_store,
)
from tests.support.services import served

ITEMS = 60
OTHER = "enc-ffffffffffffffff"
OTHER_DIMENSIONS = 64
SETTINGS = BuildSettings(recall_sample=20)


def other_vectors() -> np.ndarray:
    halves = clustered_vectors(ITEMS, seed=9)[:, :OTHER_DIMENSIONS]
    return (halves / np.linalg.norm(halves, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path):
    """Every item is embedded by two encoders, of 128 and of 64 dimensions."""
    store = fill_store(tmp_path, ITEMS)
    register_encoder(store.database, OTHER, "other", OTHER_DIMENSIONS)
    tasks = EmbeddingTaskStore(store.database, OTHER)
    vectors = dict(zip((item.item_id for item in store.items), other_vectors(), strict=True))
    claimed = tasks.claim(ITEMS, 60.0)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, vectors[task.item_id]) for task in claimed])
    yield store
    store.database.close()


@pytest.fixture
def directory(store: FilledStore, tmp_path: Path) -> GenerationDirectory:
    directory, _ = build(store, tmp_path / "generations", SETTINGS)
    build_generation(store.database, OTHER, directory, SETTINGS, SilentBuild())
    return directory


def test_a_worker_cannot_store_a_vector_of_another_length(store):
    CatalogueStore(store.database).upsert("new", "", [an_item("new")])
    tasks = EmbeddingTaskStore(store.database, OTHER)
    [task] = tasks.claim(1, 60.0)
    wrong = clustered_vectors(1)[0]
    with pytest.raises(EncoderStateError, match=r"shape \(128,\) is none of encoder enc-f.*64 dimensions"):
        tasks.finish([FinishedTask(task.item_id, task.picture_sha256, wrong)])
    with open_snapshot(store.database, OTHER) as snapshot:
        assert snapshot.count == ITEMS


def test_a_worker_cannot_store_a_vector_of_an_encoder_that_was_never_registered(store):
    item = CatalogueStore(store.database).get(store.items[0].item_id)
    nobody = EmbeddingTaskStore(store.database, "enc-nobody")
    with pytest.raises(UnknownEncoder):
        nobody.finish([FinishedTask(item.item.item_id, item.picture_sha256, store.vectors[0])])


def test_an_encoder_cannot_change_its_dimensions_under_its_id(store):
    with pytest.raises(EncoderStateError, match="64 dimensions and now has 128"):
        register_encoder(store.database, OTHER, "other", DIMENSIONS)


def test_a_generation_holds_the_vectors_of_its_encoder_and_no_others(store, directory):
    for encoder_id, vectors in ((ENCODER_ID, store.vectors), (OTHER, other_vectors())):
        columns = directory.open_current(encoder_id).columns
        np.testing.assert_array_equal(columns.embeddings, vectors)


def test_changes_bring_the_vectors_of_the_encoder_that_is_followed(store):
    for encoder_id, dimensions in ((ENCODER_ID, DIMENSIONS), (OTHER, OTHER_DIMENSIONS)):
        changed, _ = FeedReader(store.database).changed_items(encoder_id, 0, 1_000)
        assert {change.item.vector.shape for change in changed} == {(dimensions,)}


@pytest.mark.parametrize("state", ["retired", "never registered"])
def test_no_index_is_built_of_an_encoder_that_embeds_nothing(store, tmp_path, state):
    encoder_id = OTHER if state == "retired" else "enc-nobody"
    if state == "retired":
        retire(store.database, OTHER)
    directory = GenerationDirectory(tmp_path / "none")
    with pytest.raises((EncoderStateError, UnknownEncoder), match=encoder_id):
        build_generation(store.database, encoder_id, directory, SETTINGS, SilentBuild())
    assert directory.ids() == []


def test_a_generation_is_not_opened_as_that_of_another_encoder(directory):
    (directory.root / f"CURRENT.{OTHER}").write_text(directory.current_id(ENCODER_ID))
    with pytest.raises(GenerationError, match=f"of encoder {ENCODER_ID}, not of {OTHER}"):
        directory.open_current(OTHER)


def test_a_generation_whose_manifest_was_given_another_encoder_does_not_open(directory):
    folder = directory.folder(directory.current_id(OTHER))
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace(OTHER, ENCODER_ID))
    with pytest.raises(DamagedGeneration):
        open_generation(folder)


@pytest.mark.parametrize("dimensions", [DIMENSIONS, OTHER_DIMENSIONS], ids=["that fit the name", "that fit the files"])
async def test_nor_is_one_served_whose_manifest_was_forged_with_its_checksum(store, directory, dimensions):
    shutil.rmtree(directory.folder(directory.current_id(ENCODER_ID)))  # or it would stand in
    folder = directory.folder(directory.current_id(OTHER))
    write_manifest(folder, dataclasses.replace(read_manifest(folder), encoder_id=ENCODER_ID, dimensions=dimensions))
    (directory.root / f"CURRENT.{ENCODER_ID}").write_text(folder.name)
    (directory.root / f"CURRENT.{OTHER}").unlink()
    assert not await ServingGenerations(directory, store.database).refresh()


async def test_a_server_whose_pointers_were_crossed_serves_neither_under_the_others_name(store, directory):
    ours, others = directory.current_id(ENCODER_ID), directory.current_id(OTHER)
    (directory.root / f"CURRENT.{ENCODER_ID}").write_text(others)
    (directory.root / f"CURRENT.{OTHER}").write_text(ours)
    assert not await ServingGenerations(directory, store.database).refresh()


async def test_a_query_is_compared_only_with_vectors_of_its_encoder(store, directory):
    asked = next(at for at, item in enumerate(store.items) if item.state == ItemState.ON_SALE)
    async with served(store.database, directory) as client:
        for encoder_id, vectors in ((ENCODER_ID, store.vectors), (OTHER, other_vectors())):
            answer = await client.similar_items(embedding=vectors[asked].tolist(), encoder_id=encoder_id)
            assert answer.encoder_id == encoder_id
            assert answer.items[0].cosine == pytest.approx(1.0, abs=1e-5)
        with pytest.raises(FailedPreconditionError):
            await client.similar_items(embedding=store.vectors[asked].tolist(), encoder_id="enc-nobody")


async def test_an_item_that_no_generation_has_is_looked_up_with_the_encoder_that_answers(store, directory):
    """Its vector comes from the store, and a promotion between two requests changes which one."""
    like = next(at for at, item in enumerate(store.items) if item.state == ItemState.ON_SALE)
    CatalogueStore(store.database).upsert("late", "", [an_item("late", price=store.items[like].price)])
    for encoder_id, vector in ((ENCODER_ID, store.vectors[like]), (OTHER, other_vectors()[like])):
        tasks = EmbeddingTaskStore(store.database, encoder_id)
        [task] = tasks.claim(1, 60.0)
        tasks.finish([FinishedTask(task.item_id, task.picture_sha256, vector)])
    promote(store.database, OTHER)
    async with served(store.database, directory) as client:
        for encoder_id in (ENCODER_ID, OTHER):
            answer = await client.similar_items(item_id="late", encoder_id=encoder_id, category_weight=0.0)
            assert answer.encoder_id == encoder_id
            assert answer.items[0].item_id == store.items[like].item_id
            assert answer.items[0].cosine == pytest.approx(1.0, abs=1e-5)
