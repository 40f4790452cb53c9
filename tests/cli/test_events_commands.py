"""`ruiji events`: what it tells people, and what it does to the log."""

from __future__ import annotations

from datetime import timedelta

import duckdb
import pytest
from ruiji_events.units import UnitHasher, read_or_make_key

from tests.support.events import NOON, Events, a_purchase, a_tap, an_impression


@pytest.fixture
def events(tmp_path) -> Events:
    """The log of the installation at `tmp_path`."""
    return Events(tmp_path / "events")


def test_compacting_says_what_became_of_the_journal(events, ruiji, tmp_path):
    events.record(an_impression("i1"), a_tap("t1"), a_tap("t1"), a_tap("t2", "unheard-of"))
    ran = ruiji("events", "compact", "--data", tmp_path)
    assert ran.exit_code == 0
    assert " ".join(ran.stdout.split()) == (
        "1 segments: 1 impressions, 1 taps, 1 unknown; 1 duplicates left out, 0 late ones joined"
    )
    assert ruiji("events", "compact", "--data", tmp_path).stdout == ""


def test_a_damaged_segment_is_an_exit_code_until_it_is_salvaged(events, ruiji, tmp_path):
    events.record(a_purchase("p1"))
    [segment] = events.journal.glob("*.segment")
    segment.write_bytes(b"?" + segment.read_bytes()[1:])
    ran = ruiji("events", "compact", "--data", tmp_path)
    assert (ran.exit_code, "--salvage" in ran.stderr) == (1, True)
    assert ruiji("events", "compact", "--data", tmp_path, "--salvage").exit_code == 0


def test_status_counts_tables_and_what_waits(events, ruiji, tmp_path):
    events.record(an_impression("i1"), a_tap("t1"))
    assert "0 segments open, 1 sealed" in " ".join(ruiji("events", "status", "--data", tmp_path).stdout.split())
    events.compact()
    shown = ruiji("events", "status", "--data", tmp_path)
    assert shown.exit_code == 0
    assert "│ impressions │ 1 " in shown.stdout
    assert "2026-11-20" in shown.stdout


def test_status_names_damaged_files_and_fails(events, ruiji, tmp_path):
    events.record(a_tap("t1", "r"), an_impression("i1"))
    events.compact()
    [file] = events.root.glob("taps/*/*.parquet")
    file.write_bytes(b"PAR1")
    shown = ruiji("events", "status", "--data", tmp_path)
    assert shown.exit_code == 1
    assert file.name in shown.stderr


def test_erasing_takes_the_id_as_requests_have_it(events, ruiji, tmp_path):
    nana = UnitHasher(read_or_make_key(tmp_path / "unit.key")).hash("nana")
    events.record(a_purchase("p1", unit=nana), a_purchase("p2"))
    ran = ruiji("events", "erase", "--data", tmp_path, "--unit", "nana")
    assert "erased from 1 files: 1 of purchases" in ran.stdout
    assert events.ids("purchases") == ["p2"]


def test_erasing_makes_no_new_key_for_with_that_nobody_would_be_found(events, explained, tmp_path):
    assert "unit.key cannot be read" in explained("events", "erase", "--data", tmp_path, "--unit", "nana")
    assert not (tmp_path / "unit.key").exists()


def test_trimming_keeps_the_last_days(events, ruiji, tmp_path, monkeypatch):
    monkeypatch.setattr("ruiji_cli.days.today", lambda: NOON.date())
    events.record(*(a_purchase(f"p{days}", at=NOON - timedelta(days=days)) for days in (0, 1, 2, 3)))
    events.compact()
    assert "2 of purchases" in ruiji("events", "trim", "--data", tmp_path, "--keep-days", 1).stdout
    assert events.ids("purchases") == ["p0", "p1"]


def test_exporting_writes_one_file(events, ruiji, tmp_path):
    events.record(a_purchase("p1"), a_purchase("p2"))
    events.compact()
    out = tmp_path / "purchases.csv"
    ran = ruiji("events", "export", "purchases", "--data", tmp_path, "--out", out, "--from", "2026-11-20")
    assert ran.stdout.startswith("2 purchases in ")
    assert duckdb.sql(f"SELECT sum(amount_minor) FROM '{out}'").fetchall() == [(1800,)]  # noqa: S608


def test_what_does_not_fit_is_said(explained, tmp_path):
    said = explained("events", "export", "clicks", "--data", tmp_path, "--out", tmp_path / "x.csv")
    assert "there is no table 'clicks'; there are impressions, taps" in said
    assert "no day such as" in explained(
        "events", "export", "taps", "--data", tmp_path, "--out", tmp_path / "x.csv", "--to", "today"
    )
    assert "needs --events" in explained("serve", "--data", tmp_path, "--log-impressions", "0.1")
