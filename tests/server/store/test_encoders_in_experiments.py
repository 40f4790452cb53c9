"""An encoder that a variant needs is not taken away under it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from ruiji_experiments.definition.model import Experiment, Settings, Variant
from ruiji_server.domain.errors import NotReady, Reason
from ruiji_server.services.failures import status_code
from ruiji_server.store.encoders import EncoderState, register_encoder, registered_encoders
from ruiji_server.store.engine import Database
from ruiji_server.store.experiment_changes import Change, put_experiment, stop_experiment
from ruiji_server.store.rollout import retire

from tests.support.catalogues import DIMENSIONS

OLD, NEW = "enc-000000000000000a", "enc-000000000000000b"
DAY = timedelta(days=1)


@pytest.fixture
def store(database: Database) -> Database:
    """With two encoders, of which the first is promoted."""
    register_encoder(database, OLD, "old", DIMENSIONS)
    register_encoder(database, NEW, "new", DIMENSIONS)
    return database


def change() -> Change:
    return Change("ada", "to see", datetime.now(UTC))


def put(database: Database, name: str = "x", encoder_id: str = NEW, **options: Any) -> None:
    variants = (Variant("control", 5_000), Variant("other", 5_000, Settings(encoder_id=encoder_id)))
    fields = {"start": datetime.now(UTC), "traffic_bp": 1_000} | options
    put_experiment(database, name, lambda _before: Experiment(name, variants, **fields), change(), {OLD, NEW})


def state(database: Database, encoder_id: str = NEW) -> EncoderState:
    return {encoder.encoder_id: encoder.state for encoder in registered_encoders(database)}[encoder_id]


@pytest.mark.parametrize("start", [-DAY, DAY], ids=["it runs", "it is planned"])
def test_an_encoder_is_not_retired_while_an_experiment_that_has_not_ended_names_it(store, start):
    put(store, "b", start=datetime.now(UTC) + start)
    put(store, "a", end=datetime.now(UTC) + 3 * DAY)
    with pytest.raises(NotReady, match="have not ended: a, b; `ruiji experiment stop a") as caught:
        retire(store, NEW)
    assert (caught.value.reason, status_code(caught.value).name) == (
        Reason.ENCODER_IN_EXPERIMENT, "FAILED_PRECONDITION",
    )  # fmt: skip
    assert state(store) == EncoderState.ACTIVE


@pytest.mark.parametrize("start", [-DAY, DAY], ids=["while it ran", "before it began"])
def test_once_its_experiments_are_stopped_an_encoder_is_retired(store, start):
    put(store, start=datetime.now(UTC) + start)
    stop_experiment(store, "x", change())
    retire(store, NEW)
    assert state(store) == EncoderState.RETIRED


def test_an_experiment_of_other_encoders_keeps_none(store):
    put(store, encoder_id=OLD)
    retire(store, NEW)
    assert state(store) == EncoderState.RETIRED


def test_only_the_definition_in_force_counts(store):
    later = datetime.now(UTC) + DAY
    put(store, start=later)
    put(store, encoder_id=OLD, start=later)
    retire(store, NEW)
    assert state(store) == EncoderState.RETIRED


def at_once(start: threading.Barrier, action: Callable[[], None]) -> None:
    start.wait()
    action()


def test_of_who_puts_an_experiment_and_who_retires_its_encoder_at_the_same_time_one_is_refused(store):
    for number in range(5):
        name, start = f"x{number}", threading.Barrier(2)
        actions = (partial(put, store, name), partial(retire, store, NEW))
        with ThreadPoolExecutor(2) as pool:
            outcomes = [pool.submit(at_once, start, action) for action in actions]
        [error] = [failure for outcome in outcomes if (failure := outcome.exception()) is not None]
        assert isinstance(error, NotReady)
        if state(store) == EncoderState.RETIRED:
            assert error.reason == Reason.ENCODER_RETIRED
            register_encoder(store, NEW, "new", DIMENSIONS, revive=True)
        else:
            assert error.reason == Reason.ENCODER_IN_EXPERIMENT
            stop_experiment(store, name, change())
