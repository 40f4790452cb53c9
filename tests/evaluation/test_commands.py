"""`ruiji eval`, as a person runs it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ruiji_cli.failures import explained_failures
from ruiji_cli.main import app
from ruiji_evaluation.logs.schema import Request, Shown, Tap
from ruiji_evaluation.logs.writing import write_jsonl
from typer.testing import CliRunner


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture
def explained(capsys):
    def fail(*arguments: object) -> str:
        with pytest.raises(SystemExit) as caught, explained_failures():
            app([str(argument) for argument in arguments], standalone_mode=False)
        assert caught.value.code == 1
        return " ".join(capsys.readouterr().err.split())

    return fail


@pytest.fixture(scope="module")
def log(shop):
    shown = tuple(Shown(f"toy-{row:03d}", row) for row in range(1, 5))
    moment = datetime(2026, 4, 1, tzinfo=UTC)
    requests = [
        Request(f"r-{row}", moment, f"toy-{row:03d}", shown, (Tap("toy-001"),) if row % 2 else ())
        for row in range(20, 60)
    ]
    write_jsonl(shop.folder / "log.jsonl", requests)
    return shop.folder / "log.jsonl"


def test_attributes_end_in_a_table_and_a_report(shop, tmp_path):
    shown = run(
        "eval", "attributes", shop.study_file, "--out", tmp_path / "out", "--cache", shop.cache,
        "--add", "more=pixels:8", "--only", "more",
    )  # fmt: skip
    assert "more" in shown
    assert "tiny" not in shown
    assert (tmp_path / "out" / "report.html").is_file()


def test_logs_end_in_a_table_and_a_report(shop, log, tmp_path):
    shown = run(
        "eval", "logs", shop.study_file, log, "--out", tmp_path / "out", "--cache", shop.cache, "--only", "tiny"
    )
    assert "20 queries" in shown
    assert (tmp_path / "out" / "report.md").is_file()


def test_a_log_can_be_checked(log):
    assert "40 requests, 20 of them with a tap; 160 items shown, 20 tapped" in run("eval", "check-log", log)


def test_mistakes_are_explained(explained, shop, tmp_path):
    command = ("eval", "attributes", shop.study_file, "--cache", shop.cache, "--out", tmp_path)
    assert "has no encoder nobody" in explained(*command, "--only", "nobody")
    assert "must be NAME=KIND:WHERE" in explained(*command, "--add", "x")
    assert "encoder.json is missing" in explained(*command, "--add", f"x=artefact:{tmp_path}")
    assert "does not exist" in explained(*command, "--data", tmp_path)
