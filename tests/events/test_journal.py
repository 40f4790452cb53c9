"""The journal: what it acknowledges is durable, what it cannot take it refuses, and what it has it hands over."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ruiji_events.errors import JournalBusy, JournalFailed, JournalFull
from ruiji_events.journal import Journal, JournalSettings
from ruiji_events.journal_folder import ask_for_rotation, open_segments, seal_abandoned, sealed_segments
from ruiji_events.segments import read_segment

from tests.drills.small_disk import small_disk


def lines_in(folder) -> list[bytes]:
    return [line for path in [*sealed_segments(folder), *open_segments(folder)] for line in read_segment(path).lines]


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


def test_what_is_acknowledged_is_in_the_file(journal, tmp_path):
    journal.append([b"one", b"two"]).result()
    assert lines_in(tmp_path) == [b"one", b"two"]


def test_nothing_is_acknowledged_at_once_and_makes_no_file(journal, tmp_path):
    journal.append([]).result()
    assert list(tmp_path.iterdir()) == []


def test_batches_of_many_threads_stay_together_and_share_syncs(journal, tmp_path, monkeypatch):
    syncs = 0
    sync = os.fdatasync

    def counted(descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    batches = [[f"{number}-{part}".encode() for part in range(3)] for number in range(500)]
    with ThreadPoolExecutor(50) as threads:
        for done in list(threads.map(journal.append, batches)):
            done.result()
    lines = lines_in(tmp_path)
    assert sorted(lines) == sorted(line for batch in batches for line in batch)
    starts = [lines.index(batch[0]) for batch in batches]
    assert all(lines[start : start + 3] == batch for start, batch in zip(starts, batches, strict=True))
    assert syncs < len(batches)


def test_more_than_may_wait_is_refused_and_taken_again_later(tmp_path, monkeypatch):
    reached, go_on = threading.Event(), threading.Event()
    sync = os.fdatasync

    def slow(descriptor: int) -> None:
        reached.set()
        go_on.wait()
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    journal = Journal(tmp_path, JournalSettings(max_pending_bytes=100))
    first = journal.append([b"x" * 90])
    reached.wait()
    with pytest.raises(JournalBusy, match="90 bytes"):
        journal.append([b"y" * 20])
    assert journal.pending_bytes == 90
    go_on.set()
    first.result()
    journal.append([b"y" * 20]).result()
    journal.close()
    assert lines_in(tmp_path) == [b"x" * 90, b"y" * 20]


def test_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", 256 * 1024) as disk:
        journal = Journal(disk.folder)
        journal.append([b"before"]).result()
        too_much = journal.append([b"x" * 400 * 1024])
        with pytest.raises(JournalFull, match="make room"):
            too_much.result()
        journal.append([b"after"]).result()
        disk.resize(1024 * 1024)
        journal.append([b"x" * 400 * 1024]).result()
        journal.close()
        assert lines_in(disk.folder) == [b"before", b"after", b"x" * 400 * 1024]


def test_after_a_failed_sync_another_segment_is_begun(tmp_path, monkeypatch):
    """The kernel may forget what it could not write, so that a second sync would succeed without having written it."""
    journal = Journal(tmp_path)
    journal.append([b"before"]).result()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", lambda _descriptor: (_ for _ in ()).throw(OSError(5, "I/O error")))
        with pytest.raises(JournalFailed, match="I/O error"):
            journal.append([b"lost"]).result()
    journal.append([b"after"]).result()
    journal.close()
    assert [read_segment(path).lines for path in sealed_segments(tmp_path)] == [[b"before"], [b"after"]]


def test_segments_are_sealed_when_they_are_large(tmp_path):
    journal = Journal(tmp_path, JournalSettings(max_segment_bytes=100))
    for _ in range(3):
        journal.append([b"x" * 120]).result()
    journal.close()
    assert len(sealed_segments(tmp_path)) == 3
    assert open_segments(tmp_path) == []


def test_a_segment_is_sealed_at_its_age_though_nothing_comes(tmp_path):
    journal = Journal(tmp_path, JournalSettings(max_segment_age_s=0.1))
    journal.append([b"one"]).result()
    deadline = time.monotonic() + 20
    while not sealed_segments(tmp_path):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    journal.close()


def test_whoever_asks_gets_what_live_writers_have(journal, tmp_path):
    journal.append([b"one"]).result()
    assert len(open_segments(tmp_path)) == 1
    assert ask_for_rotation(tmp_path, timeout_s=20)
    assert [read_segment(path).lines for path in sealed_segments(tmp_path)] == [[b"one"]]
    journal.append([b"two"]).result()
    assert len(open_segments(tmp_path)) == 1


def test_a_live_writers_segment_is_not_taken_for_an_abandoned_one(journal, tmp_path):
    journal.append([b"one"]).result()
    seal_abandoned(tmp_path)
    assert sealed_segments(tmp_path) == []
    journal.append([b"two"]).result()
    assert lines_in(tmp_path) == [b"one", b"two"]


def test_a_closed_journal_takes_nothing(tmp_path):
    journal = Journal(tmp_path)
    journal.close()
    with pytest.raises(JournalFailed, match="closed"):
        journal.append([b"one"])


def test_a_folder_that_cannot_be_made_is_refused_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalFailed, match="cannot be made"):
        Journal(tmp_path / "file" / "journal")


@pytest.mark.parametrize("name", ["max_segment_bytes", "max_segment_age_s", "max_pending_bytes"])
def test_settings_that_make_no_sense_are_refused(name):
    with pytest.raises(ValueError, match=name):
        JournalSettings(**{name: 0})
