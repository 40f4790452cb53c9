"""Old generations go, and nobody who uses one notices."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
from ruiji_server.generations.collection import KeepSettings, collect, listed, remove_abandoned
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import GenerationGone, NoGeneration
from ruiji_server.generations.generation import open_generation
from ruiji_server.generations.leases import lease, lease_to_remove, new_folder

from tests.support.catalogues import ENCODER_ID
from tests.support.generations import copied

OTHER = "enc-ffffffffffffffff"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def directory(small_generation: Path, tmp_path: Path) -> GenerationDirectory:
    """Six generations, the newest published."""
    directory = GenerationDirectory(tmp_path / "generations")
    for number in range(6):
        manifest = copied(small_generation, directory, number)
    directory.publish(manifest.generation_id)
    return directory


def name(number: int) -> str:
    return f"gen-20260101T{number:06d}-abcdef"


def test_the_newest_stay_and_the_others_go(directory):
    report = collect(directory, KeepSettings(count=3))
    assert list(report.removed) == [name(2), name(1), name(0)]
    assert directory.ids() == [name(5), name(4), name(3)]
    assert report.freed_bytes > 3 * 60 * 128 * 4
    assert collect(directory, KeepSettings(count=3)).removed == ()


def test_the_published_one_stays_however_old_it_is(directory):
    directory.publish(name(0))
    collect(directory, KeepSettings(count=1))
    assert directory.ids() == [name(5), name(0)]
    directory.open_current()


def test_young_ones_stay_however_many(directory):
    built = datetime.fromisoformat("2026-01-01T00:00:00+00:00").timestamp()
    collect(directory, KeepSettings(count=1, age_s=100.0), now_s=built + 102.5)
    assert directory.ids() == [name(5), name(4), name(3)]


def test_a_clock_that_was_set_back_collects_nothing_that_age_protects(directory):
    assert collect(directory, KeepSettings(count=1, age_s=1.0), now_s=0.0).removed == ()


def test_each_encoder_keeps_its_own(directory, small_generation):
    for number in range(10, 13):
        copied(small_generation, directory, number, encoder_id=OTHER)
    collect(directory, KeepSettings(count=2))
    assert directory.ids() == [name(12), name(11), name(5), name(4)]


def test_a_retired_encoder_keeps_none_not_even_what_is_published(directory, small_generation):
    for number in range(10, 13):
        copied(small_generation, directory, number, encoder_id=OTHER)
    directory.publish(name(12))
    assert name(12) in directory.ids()
    report = collect(directory, KeepSettings(count=3), retired={OTHER})
    assert list(report.removed) == [name(number) for number in (12, 11, 10, 2, 1, 0)]
    assert report.retired == {name(number): OTHER for number in (12, 11, 10)}
    assert directory.published() == {ENCODER_ID: name(5)}
    assert directory.current_id(OTHER) is None
    with pytest.raises(NoGeneration):
        directory.open_current(OTHER)
    # Revived, it is built and published as before.
    directory.publish(copied(small_generation, directory, 13, encoder_id=OTHER).generation_id)
    assert collect(directory, KeepSettings(count=1)).removed == (name(4), name(3))
    assert directory.published() == {ENCODER_ID: name(5), OTHER: name(13)}


def test_what_is_published_of_a_retired_encoder_stays_while_it_is_used_or_young(directory, small_generation):
    built = datetime.fromisoformat("2026-01-01T00:00:00+00:00").timestamp()
    directory.publish(copied(small_generation, directory, 10, encoder_id=OTHER).generation_id)
    young = collect(directory, KeepSettings(count=9, age_s=100.0), retired={OTHER}, now_s=built + 109.0)
    assert (young.removed, young.young, young.retired) == ((), (name(10),), {name(10): OTHER})
    generation = directory.open_current(OTHER)
    used = collect(directory, KeepSettings(count=9, age_s=100.0), retired={OTHER}, now_s=built + 110.0)
    assert (used.removed, used.in_use, used.retired) == ((), (name(10),), {name(10): OTHER})
    assert directory.current_id(OTHER) == name(10)
    del generation
    old = collect(directory, KeepSettings(count=9, age_s=100.0), retired={OTHER}, now_s=built + 110.0)
    assert old.removed == (name(10),)


@pytest.mark.parametrize("busy", ["building", "fetching"])
def test_what_may_be_published_anew_at_this_moment_is_not_withdrawn(directory, busy):
    with directory.building(ENCODER_ID) if busy == "building" else directory.fetching():
        assert name(5) in collect(directory, KeepSettings(), retired={ENCODER_ID}).in_use
    assert directory.published() == {ENCODER_ID: name(5)}
    assert collect(directory, KeepSettings(), retired={ENCODER_ID}).removed == (name(5),)
    assert directory.published() == {}


def test_what_the_first_release_published_of_a_retired_encoder_goes_too(directory):
    (directory.root / f"CURRENT.{ENCODER_ID}").rename(directory.root / "CURRENT")
    collect(directory, KeepSettings(), retired={ENCODER_ID})
    assert directory.ids() == []
    assert not (directory.root / "CURRENT").exists()


def test_a_damaged_published_one_of_a_retired_encoder_goes_and_nothing_points_to_it(directory):
    (directory.folder(name(5)) / "manifest.json").write_text("{")
    assert name(5) in collect(directory, KeepSettings(), retired={ENCODER_ID}).removed
    assert directory.published() == {}


def test_a_damaged_one_counts_for_nothing_and_goes(directory):
    (directory.folder(name(4)) / "manifest.json").write_text("{")
    assert name(4) in collect(directory, KeepSettings(count=3)).removed
    assert directory.ids() == [name(5), name(3), name(2)]


def test_one_of_another_release_stays(directory):
    folder = directory.folder(name(0))
    (folder / "manifest.json").write_text('{"format_version": 99}')
    (folder / "manifest.sha256").unlink()
    collect(directory, KeepSettings(count=1))
    assert directory.ids() == [name(5), name(0)]


def test_one_in_use_by_another_process_stays_until_that_ends(directory):
    program = (
        "import sys; from pathlib import Path; from ruiji_server.generations.generation import open_generation\n"
        f"generation = open_generation(Path({str(directory.folder(name(0)))!r}))\n"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout.readline() == b"open\n"
        report = collect(directory, KeepSettings(count=1))
        assert report.in_use == (name(0),)
        assert directory.ids() == [name(5), name(0)]
        assert [each.is_in_use for each in listed(directory)] == [False, True]
        # However it ends.
        reader.kill()
    assert collect(directory, KeepSettings(count=1)).removed == (name(0),)


def test_a_generation_is_in_use_until_its_last_reference_is_gone(directory):
    generation = open_generation(directory.folder(name(0)))
    assert collect(directory, KeepSettings(count=1)).in_use == (name(0),)
    del generation
    assert collect(directory, KeepSettings(count=1)).removed == (name(0),)


def test_a_collected_generation_can_be_neither_opened_nor_published(directory):
    collect(directory, KeepSettings(count=1))
    with pytest.raises(GenerationGone):
        open_generation(directory.folder(name(0)))
    with pytest.raises(NoGeneration):
        directory.publish(name(0))


def test_what_a_killed_collector_left_is_no_generation_and_goes_with_the_next(directory):
    left = directory.folder(name(0)).rename(directory.root / f".collected-{name(0)}")
    (left / "state.npy").unlink()
    assert name(0) not in directory.ids()
    collect(directory, KeepSettings(count=10))
    assert not left.exists()


def test_what_a_killed_builder_left_goes_and_what_a_living_one_writes_stays(tmp_path):
    directory = GenerationDirectory(tmp_path)
    dead, alive = tmp_path / f".{name(0)}", tmp_path / f".{name(1)}"
    dead.mkdir()
    with new_folder(alive):
        remove_abandoned(directory)
        assert not dead.exists()
        assert alive.exists()
    remove_abandoned(directory)
    assert not alive.exists()


def test_a_lease_on_a_folder_that_was_replaced_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    removing = lease_to_remove(folder)
    gone = threading.Event()

    def take() -> None:
        try:
            lease(folder)
        except GenerationGone:
            gone.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    folder.rename(tmp_path / "aside")
    removing.close()
    waiting.join()
    assert gone.is_set()


def test_readers_never_fail_while_generations_come_and_go(small_generation, tmp_path):
    directory = GenerationDirectory(tmp_path / "generations")
    directory.publish(copied(small_generation, directory, 0).generation_id)
    stop, opened, failures = threading.Event(), [0, 0], []

    def read(reader: int) -> None:
        while not stop.is_set():
            try:
                generation = directory.open_current()
                assert len(generation.columns.embeddings[-1:]) == 1
                assert len(generation.index.search(generation.columns.embeddings[0], 5)) == 5
                opened[reader] += 1
            except Exception as error:
                failures.append(error)
                raise

    readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for reader in readers:
        reader.start()
    number, removed = 1, 0
    # Until both have opened many, and for a thousand generations at most.
    while min(opened) < 60 and number < 1_000 and not failures:
        directory.publish(copied(small_generation, directory, number).generation_id)
        removed += len(collect(directory, KeepSettings(count=1)).removed)
        number += 1
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert min(opened) >= 60
    assert removed > 0
