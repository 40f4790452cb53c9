"""The command as a newcomer meets it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ruiji_cli.main import app
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.engine import open_database
from typer.main import get_command

from tests.support.catalogues import ENCODER_ID, build, embed_all, fill_store, png


def commands(command, path=()):
    for name, child in getattr(command, "commands", {}).items():
        yield (*path, name)
        yield from commands(child, (*path, name))


@pytest.mark.parametrize("path", list(commands(get_command(app))), ids=" ".join)
def test_every_command_explains_itself(ruiji, path):
    result = ruiji(*path, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_every_option_has_a_help_text():
    def visit(command, path):
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                assert parameter.help, f"{' '.join(path)} --{parameter.name}"
        for name, child in getattr(command, "commands", {}).items():
            visit(child, (*path, name))

    visit(get_command(app), ("ruiji",))


def test_the_release_is_printed(ruiji):
    assert re.fullmatch(r"ruiji \d+\.\d+\.\d+\n", ruiji("--version").output)


@pytest.fixture
def catalogue(tmp_path) -> tuple[Path, Path]:
    """A table of three good rows and two bad ones, with pictures."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in "abc":
        (pictures / f"{name}.png").write_bytes(png((ord(name), 20, 30)))
    table = tmp_path / "items.tsv"
    table.write_text(
        "id\ttitle\tcategory_path\tprice\tcurrency\timage\n"
        "a\tRed shoe\tFashion > Shoes\t1200\tJPY\ta.png\n"
        "b\t青い靴\tFashion > Shoes\t12.50\tUSD\tb.png\n"
        "c\tHat\tFashion > Hats\t900\tJPY\tc.png\n"
        "d\tNo picture\tFashion > Hats\t900\tJPY\td.png\n"
        "e\tNo price\tFashion > Hats\t\tJPY\ta.png\n",
        encoding="utf-8",
    )
    return table, pictures


def test_import_takes_the_good_rows_and_reports_the_bad_ones_by_line(ruiji, catalogue, tmp_path):
    table, pictures = catalogue
    data, errors = tmp_path / "data", tmp_path / "errors.tsv"
    result = ruiji("catalog", "import", table, "--pictures", pictures, "--data", data, "--errors", errors)
    assert result.exit_code == 0
    assert "3 created" in result.output
    lines = [line.split("\t")[:2] for line in errors.read_text().splitlines()[1:]]
    assert lines == [["5", "d"], ["6", "e"]]


def test_importing_again_changes_nothing(ruiji, catalogue, tmp_path):
    table, pictures = catalogue
    for expected in ("3 created", "3 unchanged"):
        result = ruiji("catalog", "import", table, "--pictures", pictures, "--data", tmp_path / "data")
        assert expected in result.output


def test_an_item_can_be_looked_at(ruiji, explained, catalogue, tmp_path):
    table, pictures = catalogue
    ruiji("catalog", "import", table, "--pictures", pictures, "--data", tmp_path / "data")
    shown = ruiji("catalog", "get", "b", "--data", tmp_path / "data").output
    assert "青い靴" in shown
    assert "12.50 USD" in shown
    assert "there is no item 'z'" in explained("catalog", "get", "z", "--data", tmp_path / "data")


def test_an_index_is_built_listed_and_verified(ruiji, tmp_path):
    fill_store(tmp_path, 200).database.close()
    built = ruiji("index", "build", "--data", tmp_path)
    assert built.exit_code == 0
    current = GenerationDirectory(tmp_path / "generations").current_id()
    assert current in built.output
    assert current in ruiji("index", "list", "--data", tmp_path).output
    verified = ruiji("index", "verify", "--data", tmp_path)
    assert verified.exit_code == 0
    assert "every" in verified.output


def test_verify_refuses_a_damaged_generation(ruiji, explained, tmp_path):
    store = fill_store(tmp_path, 60)
    directory, manifest = build(store, tmp_path / "generations")
    store.database.close()
    (directory.folder(manifest.generation_id) / "category.npy").write_bytes(b"x")
    assert "category.npy is damaged" in explained("index", "verify", "--data", tmp_path)


def test_an_index_needs_embeddings(explained, tmp_path):
    database = open_database(str(tmp_path / "store.sqlite"), create=True)
    database.close()
    assert "no encoder is registered" in explained("index", "build", "--data", tmp_path)


def test_the_backlog_and_what_was_given_up_are_shown_and_can_be_tried_again(ruiji, tmp_path):
    from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FailedTask

    store = fill_store(tmp_path, 10)
    CatalogueStore(store.database).upsert("x", "", [*store.items[:0]])
    tasks = EmbeddingTaskStore(store.database, ENCODER_ID)
    from tests.support.catalogues import an_item

    CatalogueStore(store.database).upsert("y", "", [an_item("bad")])
    [task] = tasks.claim(1, 60.0)
    tasks.fail([FailedTask("bad", task.picture_sha256, "PICTURE_UNREADABLE", "cut short", None)])
    shown = ruiji("worker", "status", "--data", tmp_path).output
    assert "0 waiting, 1 given up" in shown
    assert "cut short" in shown
    assert "PICTURE_UNREADABLE" in shown
    assert "1 items would wait again" in ruiji("worker", "retry", "--dry-run", "--data", tmp_path).output
    for other in (("--reason", "PICTURE_TOO_LARGE"), ("--item", "good")):
        assert "0 items wait again" in ruiji("worker", "retry", *other, "--data", tmp_path).output
    chosen = ("--reason", "PICTURE_UNREADABLE", "--item", "bad")
    assert "1 items wait again" in ruiji("worker", "retry", *chosen, "--data", tmp_path).output
    embed_all(store.database, {"bad": store.vectors[0]})
    store.database.close()


def test_a_worker_needs_a_triton(explained, tmp_path):
    assert "--triton-url" in explained("worker", "run", "--data", tmp_path)


def test_a_demo_says_that_its_triton_is_not_there(explained, tmp_path):
    command = ("demo", "--items", 50, "--triton-url", "127.0.0.1:1", "--output", tmp_path)
    assert "cannot be reached" in explained(*command)


def test_a_reason_or_a_place_that_is_none_is_said(explained, tmp_path):
    fill_store(tmp_path, 10).database.close()
    assert "is no reason" in explained("worker", "retry", "--reason", "BAD_LUCK", "--data", tmp_path)
    prefix = ("--triton-url", "127.0.0.1:1", "--picture-prefix", "images.example.com", "--data", tmp_path)
    assert "is no URL prefix" in explained("worker", "run", *prefix)
    assert "is no URL prefix" in explained("serve", *prefix)


def test_similar_needs_one_query(explained):
    assert "name an item" in explained("similar")


def test_a_server_that_is_not_there_is_said(explained):
    assert "UNAVAILABLE" in explained("similar", "a", "--target", "127.0.0.1:1")


def test_options_come_from_flags_then_environment_then_file_then_default(ruiji, tmp_path, monkeypatch):
    for name in ("flag", "environment", "file"):
        store = fill_store_at(tmp_path / name, name)
        store.close()
    config = tmp_path / "ruiji.toml"
    config.write_text(f"[catalog.get]\ndata = {json.dumps(str(tmp_path / 'file'))}\n")

    def title(*arguments: object) -> str:
        return ruiji("--config", config, "catalog", "get", "a", *arguments).output

    assert "from the file" in title()
    monkeypatch.setenv("RUIJI_DATA", str(tmp_path / "environment"))
    assert "from the environment" in title()
    assert "from the flag" in title("--data", tmp_path / "flag")


def fill_store_at(folder: Path, name: str):
    from tests.support.catalogues import an_item

    folder.mkdir()
    database = open_database(str(folder / "store.sqlite"), create=True)
    CatalogueStore(database).upsert("1", "", [an_item("a", title=f"from the {name}")])
    return database


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[serve]\nadress = 'x'", "serve.adress is no option"),
        ("[server]\naddress = 'x'", "[server] is no command"),
        ("[serve", "is no TOML"),
    ],
)
def test_a_mistake_in_the_configuration_stops_the_start(explained, tmp_path, text, message):
    config = tmp_path / "ruiji.toml"
    config.write_text(text)
    assert message in explained("--config", config, "index", "list")
