"""Replacing an encoder from the command line, and looking after the store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ruiji_demo.encoder import demo_encoder_folder
from ruiji_encoding.manifest import read_manifest
from ruiji_experiments.definition.model import Experiment, Settings, Variant
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.leases import lease
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.engine import open_database
from ruiji_server.store.experiment_changes import Change, put_experiment
from ruiji_server.store.schema import SCHEMA_REVISION
from sqlalchemy import text

from tests.support.catalogues import ENCODER_ID, SilentBuild, an_item, build, clustered_vectors, fill_store

ITEMS = 60
SETTINGS = BuildSettings(recall_sample=20)


@pytest.fixture
def new() -> str:
    """The id of the demo encoder, which is to replace the one that the catalogue is embedded with."""
    return read_manifest(demo_encoder_folder()).encoder_id


@pytest.fixture
def data(tmp_path: Path) -> Path:
    store = fill_store(tmp_path, ITEMS)
    build(store, tmp_path / "generations", SETTINGS)
    store.database.close()
    return tmp_path


def embed_and_build(data: Path, encoder_id: str) -> None:
    database = open_database(str(data / "store.sqlite"))
    tasks = EmbeddingTaskStore(database, encoder_id)
    claimed = tasks.claim(1_000, 60.0)
    vectors = clustered_vectors(len(claimed), seed=5)
    tasks.finish([FinishedTask(task.item_id, task.picture_sha256, vectors[at]) for at, task in enumerate(claimed)])
    build_generation(database, encoder_id, GenerationDirectory(data / "generations"), SETTINGS, SilentBuild())
    database.close()


def test_an_encoder_is_replaced_step_by_step(ruiji, explained, data, new):
    assert "is active" in ruiji("encoder", "register", demo_encoder_folder(), "--data", data, "--rate", 5000).output
    assert "has embedded 0.0% of the catalogue" in explained("encoder", "promote", new, "--data", data)
    shown = ruiji("encoder", "status", "--data", data).output
    assert "unknown" in shown
    assert f"{ITEMS}" in shown
    assert "no bound" in ruiji("encoder", "rate", new, 0, "--data", data).output
    embed_and_build(data, new)
    assert "answers 25.0%" in ruiji("encoder", "share", new, 0.25, "--data", data).output
    listed = ruiji("encoder", "list", "--data", data).output
    assert "75.0%" in listed
    assert "25.0%" in listed
    assert f"encoder {new} is promoted, {ENCODER_ID} stays active" in _line(
        ruiji("encoder", "promote", new, "--data", data)
    )
    assert f"encoder {ENCODER_ID} is promoted again" in _line(ruiji("encoder", "rollback", "--data", data))
    assert "the promoted one" in explained("encoder", "retire", ENCODER_ID, "--data", data)
    assert f"{ITEMS} embeddings were deleted" in _line(
        ruiji("encoder", "retire", new, "--delete-embeddings", "--data", data)
    )
    history = ruiji("encoder", "history", "--data", data).output
    for step in ("registered", "rate set", "share set", "promoted", "rolled back", "retired", "embeddings deleted"):
        assert step in history


def test_an_encoder_is_not_promoted_before_it_has_a_generation(ruiji, explained, data, new):
    ruiji("encoder", "register", demo_encoder_folder(), "--data", data)
    message = explained("encoder", "promote", new, "--data", data, "--least-done", 0)
    assert f"`ruiji index build --encoder-id {new}` makes one" in message


@pytest.mark.parametrize("command", ["promote", "retire", "status"])
def test_an_encoder_that_was_never_registered_is_refused(explained, data, command):
    assert "encoder enc-nobody is not registered" in explained("encoder", command, "enc-nobody", "--data", data)


def test_an_encoder_that_an_experiment_needs_is_not_retired(ruiji, explained, data, new):
    ruiji("encoder", "register", demo_encoder_folder(), "--data", data)
    database = open_database(str(data / "store.sqlite"))
    now = datetime.now(UTC)
    variants = (Variant("control", 5_000), Variant("other", 5_000, Settings(encoder_id=new)))
    wanted = Experiment("which-one", variants, now)
    put_experiment(database, "which-one", lambda _before: wanted, Change("ada", "to see", now), {new})
    database.close()
    assert "experiments that have not ended: which-one" in explained("encoder", "retire", new, "--data", data)


def test_the_index_is_built_for_every_encoder_in_use(ruiji, data, new):
    ruiji("encoder", "register", demo_encoder_folder(), "--data", data)
    embed_and_build(data, new)
    output = ruiji("index", "build", "--data", data).output
    assert output.count("published") == 2


def test_the_generation_of_a_retired_encoder_is_collected_and_of_one_to_roll_back_to_it_is_not(
    ruiji, explained, data, new
):
    ruiji("encoder", "register", demo_encoder_folder(), "--data", data)
    embed_and_build(data, new)
    ruiji("encoder", "promote", new, "--data", data)
    directory = GenerationDirectory(data / "generations")
    old = directory.require(ENCODER_ID)
    assert "nothing to collect" in ruiji("index", "gc", "--keep", "1", "--data", data).output
    assert "is promoted again" in _line(ruiji("encoder", "rollback", "--data", data))
    ruiji("encoder", "promote", new, "--data", data)

    ruiji("encoder", "retire", ENCODER_ID, "--data", data)
    assert "nothing to roll back to" in explained("encoder", "rollback", "--data", data)
    listed = ruiji("index", "list", "--data", data).output
    assert [line for line in listed.splitlines() if "*r" in line and old in line], listed
    as_json = json.loads(ruiji("index", "list", "--data", data, "--json").stdout)
    assert {one["generation_id"]: one["retired"] for one in as_json} == {old: True, directory.require(new): False}
    said = f"{old} (of {ENCODER_ID}, which is retired)"
    young = _line(ruiji("index", "gc", "--keep-age", "3600", "--data", data))
    assert f"kept {said}, which is younger than --keep-age" in young
    with lease(directory.folder(old)):
        assert f"kept {said}, which another process uses" in _line(ruiji("index", "gc", "--data", data))
    assert f"collected {said}" in _line(ruiji("index", "gc", "--data", data))
    assert set(directory.published()) == {new}

    database = open_database(str(data / "store.sqlite"))
    register_encoder(database, ENCODER_ID, "formula", 128, revive=True)
    database.close()
    assert "has no generation" in explained("encoder", "promote", ENCODER_ID, "--data", data)
    assert _line(ruiji("index", "build", "--data", data)).count("published") == 2
    assert f"encoder {ENCODER_ID} is promoted" in _line(ruiji("encoder", "promote", ENCODER_ID, "--data", data))


def test_a_build_collects_what_a_retired_encoder_left(ruiji, data, new):
    ruiji("encoder", "register", demo_encoder_folder(), "--data", data)
    embed_and_build(data, new)
    ruiji("encoder", "retire", new, "--data", data)
    assert f"(of {new}, which is retired)" in _line(ruiji("index", "build", "--data", data))
    assert set(GenerationDirectory(data / "generations").published()) == {ENCODER_ID}


@pytest.mark.parametrize("store", ["none", "another revision"])
def test_without_a_store_no_encoder_counts_as_retired(ruiji, data, store):
    if store == "none":
        (data / "store.sqlite").unlink()
    else:
        database = open_database(str(data / "store.sqlite"))
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
        database.close()
    collected = ruiji("index", "gc", "--data", data)
    assert collected.exit_code == 0
    assert "nothing to collect" in collected.output
    assert ("which encoders are retired is not known" in " ".join(collected.output.split())) == (store != "none")
    [listed] = json.loads(ruiji("index", "list", "--data", data, "--json").stdout)
    assert listed["retired"] is None
    assert not (data / "store.sqlite").exists() or store != "none"


def test_what_every_generation_has_taken_in_is_trimmed(ruiji, explained, data):
    database = open_database(str(data / "store.sqlite"))
    CatalogueStore(database).upsert("more", "", [an_item("more")])
    database.close()
    assert "0 changes" in ruiji("store", "trim", "--data", data).output, "they are younger than a day"
    trimmed = ruiji("store", "trim", "--older-than", 0, "--data", data).output
    assert f"{2 * ITEMS - 1} changes below position {2 * ITEMS}" in trimmed
    assert f"{2 * ITEMS - 1}" in ruiji("store", "status", "--data", data).output
    message = explained("store", "trim", "--generations", data / "none", "--data", data)
    assert "ruiji index build" in message


@pytest.mark.parametrize(
    ("revision", "message"),
    [("0002", "`ruiji store upgrade`"), ("0099", "newer than this release")],
    ids=["older", "newer"],
)
@pytest.mark.parametrize(
    "command",
    [
        ("catalog", "get", "a"),
        ("worker", "status"),
        ("index", "build"),
        ("encoder", "list"),
        ("encoder", "rollback"),
        ("store", "status"),
        ("store", "trim"),
        ("serve", "--address", "127.0.0.1:0"),
    ],
    ids=" ".join,
)
def test_every_command_refuses_a_store_of_another_schema_and_says_what_to_do(
    explained, tmp_path, command, revision, message
):
    database = open_database(str(tmp_path / "store.sqlite"), create=True)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    database.close()
    said = explained(*command, "--data", tmp_path)
    assert f"schema revision {revision}" in said
    assert message in said


def test_upgrading_what_is_up_to_date_does_nothing(ruiji, explained, tmp_path):
    open_database(str(tmp_path / "store.sqlite"), create=True).close()
    assert f"{SCHEMA_REVISION} already" in ruiji("store", "upgrade", "--data", tmp_path).output
    (tmp_path / "empty").mkdir()
    assert "there is no store" in explained("store", "upgrade", "--data", tmp_path / "empty")


def _line(result) -> str:
    return " ".join(result.output.split())
