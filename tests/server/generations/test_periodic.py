"""A builder that goes on for ever lives with builds that fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import BelowFloor, DirectoryBusy
from ruiji_server.generations.periodic import Backoff, PeriodicBuilds
from ruiji_server.generations.schedule import ChangeLimit, Schedule
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.engine import Database
from ruiji_server.store.rollout import retire
from ruiji_server.store.snapshot import open_snapshot

from tests.support.catalogues import ENCODER_ID, OTHER_ENCODER_ID, catalogue_of_two_encoders

BOTH = (OTHER_ENCODER_ID, ENCODER_ID)


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    """The store of two encoders that have embedded everything."""
    with catalogue_of_two_encoders(tmp_path) as (store, _):
        yield store.database


@pytest.fixture
def schedule(database, tmp_path) -> Schedule:
    """Both are due: there is no generation here."""
    return Schedule(database, GenerationDirectory(tmp_path / "empty"), ChangeLimit())


class Builder:
    """Notes for which encoders it was to build; `error` is what happens to the first of them."""

    def __init__(self, error: Callable[[str], None] = lambda _: None) -> None:
        self.built: list[str] = []
        self._error = error

    def __call__(self, encoder_id: str) -> None:
        self.built.append(encoder_id)
        if encoder_id == BOTH[0]:
            self._error(encoder_id)


def raising(error: Exception) -> Callable[[str], None]:
    def fail(_: str) -> None:
        raise error

    return fail


def looking(schedule: Schedule, builder: Builder, pause_s: float = 3600.0) -> PeriodicBuilds:
    return PeriodicBuilds(schedule, Backoff(first_s=pause_s, most_s=pause_s), builder)


def test_each_encoder_that_is_due_has_its_turn_at_each_look(schedule):
    builder = Builder()
    builds = looking(schedule, builder)
    builds.look(BOTH)
    builds.look(BOTH)
    assert builder.built == [*BOTH, *BOTH]


def test_an_encoder_whose_build_failed_pauses_and_the_others_do_not(schedule, caplog):
    builder = Builder(raising(BelowFloor("recall of 0.2")))
    builds = looking(schedule, builder)
    builds.look(BOTH)
    builds.look(BOTH)
    assert builder.built == [*BOTH, ENCODER_ID]
    assert "recall of 0.2; what was published before goes on, next try in 3600 s" in caplog.text


def test_a_folder_that_is_busy_is_tried_again_at_the_next_look(schedule):
    builder = Builder(raising(DirectoryBusy("another builder")))
    builds = looking(schedule, builder)
    builds.look(BOTH)
    builds.look(BOTH)
    assert builder.built == [*BOTH, *BOTH]


def test_an_encoder_that_is_retired_before_its_turn_is_left_alone(database, schedule, caplog):
    """The list is from before; the next one will be without it."""
    builder = Builder()
    retire(database, OTHER_ENCODER_ID)
    looking(schedule, builder).look(BOTH)
    assert builder.built == [ENCODER_ID]
    assert f"encoder {OTHER_ENCODER_ID} is retired" in caplog.text


def test_an_encoder_that_is_retired_while_it_is_built_for_is_left_alone(database, schedule):
    def retired_meanwhile(encoder_id: str) -> None:
        retire(database, encoder_id)
        with open_snapshot(database, encoder_id):
            pass

    builder = Builder(retired_meanwhile)
    looking(schedule, builder).look(BOTH)
    assert builder.built == [*BOTH]


def test_an_encoder_that_nobody_registered_ends_it(schedule):
    with pytest.raises(UnknownEncoder):
        looking(schedule, Builder()).look(["enc-0000000000000000"])


def test_an_encoder_whose_builds_fail_pauses_longer_and_longer_and_others_do_not():
    backoff = Backoff(first_s=5.0, most_s=15.0)
    assert [backoff.failed("a", 0.0) for _ in range(4)] == [5.0, 10.0, 15.0, 15.0]
    assert backoff.is_pausing("a", 14.9)
    assert not backoff.is_pausing("a", 15.0)
    assert not backoff.is_pausing("b", 0.0)
    backoff.succeeded("a")
    assert not backoff.is_pausing("a", 0.0)
    assert backoff.failed("a", 0.0) == 5.0
