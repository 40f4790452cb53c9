"""Experiments are put, changed, stopped and rolled back; each change happens wholly or not at all, and stays known."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from ruiji_experiments.assignment import Asker, Assigner
from ruiji_experiments.definition.layers import BucketRange
from ruiji_experiments.definition.model import Experiment, RampStep, Settings, Variant
from ruiji_server.domain.errors import (
    AlreadyExists,
    ChangedMeanwhile,
    ExperimentNotFound,
    InvalidArgument,
    NotReady,
    Reason,
)
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.engine import Database
from ruiji_server.store.experiment_changes import (
    Change,
    Outcome,
    put_experiment,
    roll_back_experiment,
    stop_experiment,
)
from ruiji_server.store.experiments import (
    Action,
    experiment,
    experiment_history,
    experiments,
    newest_revision,
)
from ruiji_server.store.rollout import retire

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OLD, NEW = "enc-000000000000000a", "enc-000000000000000b"
CONTROL = Variant("control", 5_000)
VARIANTS = (CONTROL, Variant("wide", 5_000, Settings(max_price_ratio=3.0)))


def by(author: str = "ada", reason: str = "why not", at: datetime = NOW) -> Change:
    return Change(author, reason, at)


def an_experiment(name: str = "band", **changes: Any) -> Experiment:
    return Experiment(**{"name": name, "variants": VARIANTS, "start": NOW + DAY} | changes)


def put(database: Database, wanted: Experiment, change: Change | None = None, **options: Any) -> Outcome:
    published = options.pop("published", ())
    return put_experiment(database, wanted.name, lambda _before: wanted, change or by(), published, **options)


def undo(database: Database, name: str = "band", change: Change | None = None, **options: Any) -> Outcome:
    current = options.pop("from_revision", None) or experiment(database, name).number
    return roll_back_experiment(database, name, change or by(), (), from_revision=current, **options)


def test_what_was_put_is_in_force_and_remembered_with_who_and_why(database):
    outcome = put(database, an_experiment(), by("ada", "wider prices"))
    assert outcome.changed
    [found] = experiments(database)
    assert found == outcome.revision == experiment(database, "band")
    assert (found.number, found.action, found.author, found.reason) == (
        1,
        Action.PUT,
        "ada",
        "wider prices",
    )
    assert (found.changed_at, found.restored) == (NOW, None)
    assert found.placed.experiment == an_experiment()
    assert found.placed.ranges == (BucketRange(0, 10_000),)


def test_putting_the_same_again_writes_nothing(database):
    put(database, an_experiment())
    assert not put(database, an_experiment(), by("bob")).changed
    assert newest_revision(database) == 1


def test_a_changed_experiment_is_another_revision(database):
    put(database, an_experiment())
    put(database, an_experiment(traffic_bp=100), by("bob", "carefully"))
    assert [(one.number, one.author) for one in experiment_history(database, 10, "band")] == [(2, "bob"), (1, "ada")]
    assert experiment(database, "band").placed.ranges == (BucketRange(0, 100),)


def test_the_definition_is_made_knowing_what_is_in_force(database):
    put(database, an_experiment())
    seen: list[Experiment | None] = []

    def keep_the_start(before: Experiment | None) -> Experiment:
        seen.append(before)
        return an_experiment(start=before.start if before else NOW, traffic_bp=5)

    put_experiment(database, "band", keep_the_start, by(), ())
    put_experiment(
        database, "other", lambda before: seen.append(before) or an_experiment("other", traffic_bp=5), by(), ()
    )
    assert seen == [an_experiment(), None]
    assert experiment(database, "band").placed.experiment.start == NOW + DAY


def test_checking_alone_writes_nothing(database):
    outcome = put(database, an_experiment(), validate_only=True)
    assert (outcome.changed, outcome.revision.number) == (False, 0)
    assert experiments(database) == []


def test_an_experiment_that_must_be_new_does_not_replace_another(database):
    put(database, an_experiment(), expected_revision=0)
    with pytest.raises(AlreadyExists, match="another name") as caught:
        put(database, an_experiment(traffic_bp=1), expected_revision=0)
    assert caught.value.reason == Reason.EXPERIMENT_EXISTS


def test_a_change_that_was_decided_on_an_older_revision_is_refused(database):
    put(database, an_experiment())
    put(database, an_experiment(traffic_bp=2), expected_revision=1)
    with pytest.raises(ChangedMeanwhile, match=r"revision 2 .* not 1"):
        put(database, an_experiment(traffic_bp=3), expected_revision=1)
    with pytest.raises(ChangedMeanwhile, match="not 7"):
        put(database, an_experiment("new", traffic_bp=3), expected_revision=7)


def test_a_layer_is_never_given_twice(database):
    put(database, an_experiment("first", traffic_bp=6_000))
    with pytest.raises(NotReady, match=r"40\.00% .*first") as caught:
        put(database, an_experiment("second", traffic_bp=4_001))
    assert (caught.value.reason, caught.value.field) == (Reason.EXPERIMENT_LAYER_FULL, "experiment.traffic_bp")
    put(database, an_experiment("second", traffic_bp=4_000))
    assert experiment(database, "second").placed.ranges == (BucketRange(6_000, 10_000),)


def test_a_contradiction_is_the_callers_and_names_the_field(database):
    def wrong(_before: Experiment | None) -> Experiment:
        return an_experiment(end=NOW)

    with pytest.raises(InvalidArgument, match="before the start") as caught:
        put_experiment(database, "band", wrong, by(), ())
    assert (caught.value.reason, caught.value.field) == (Reason.EXPERIMENT_INVALID, "experiment.end")


def test_once_it_began_variants_stay(database):
    put(database, an_experiment(start=NOW))
    other = (CONTROL, Variant("wide", 5_000, Settings(max_price_ratio=4.0)))
    with pytest.raises(NotReady, match="variants can no longer change") as caught:
        put(database, an_experiment(start=NOW, variants=other), by(at=NOW + DAY))
    assert (caught.value.reason, caught.value.field) == (Reason.EXPERIMENT_STARTED, "experiment.variants")


def with_encoder(encoder_id: str) -> Experiment:
    return an_experiment(variants=(CONTROL, Variant("new", 5_000, Settings(encoder_id=encoder_id))))


def test_a_variants_encoder_must_be_able_to_answer(database):
    register_encoder(database, OLD, "old", 128)
    register_encoder(database, NEW, "new", 128)
    refusals = []
    for encoder_id in ("enc-nobody", NEW):
        with pytest.raises(NotReady) as caught:
            put(database, with_encoder(encoder_id), published={OLD})
        refusals.append((caught.value.reason, caught.value.field))
    retire(database, NEW)
    with pytest.raises(NotReady, match="--revive") as caught:
        put(database, with_encoder(NEW), published={OLD, NEW})
    refusals.append((caught.value.reason, caught.value.field))
    where = "experiment.variants[1].encoder_id"
    assert refusals == [
        (Reason.ENCODER_UNKNOWN, where), (Reason.ENCODER_WITHOUT_GENERATION, where), (Reason.ENCODER_RETIRED, where),
    ]  # fmt: skip
    assert put(database, with_encoder(OLD), published={OLD}).changed


@pytest.mark.parametrize(("author", "reason", "field"), [("", "why", "author"), ("ada", " ", "reason")])
def test_who_changes_an_experiment_says_who_and_why(author, reason, field):
    with pytest.raises(InvalidArgument, match="who and why") as caught:
        by(author, reason)
    assert caught.value.field == field


def test_stopping_ends_it_now(database):
    put(database, an_experiment(start=NOW, traffic_bp=10, ramp=(RampStep(NOW + 2 * DAY, 20),)))
    outcome = stop_experiment(database, "band", by(at=NOW + DAY))
    stopped = outcome.revision.placed.experiment
    assert (outcome.changed, outcome.revision.action) == (True, Action.STOPPED)
    assert (stopped.end, stopped.ramp) == (NOW + DAY, ())
    assert not stop_experiment(database, "band", by(at=NOW + 2 * DAY)).changed
    put(database, an_experiment("next", start=NOW + DAY))


def test_what_has_not_begun_never_will_once_it_is_stopped(database):
    put(database, an_experiment())
    stopped = stop_experiment(database, "band", by()).revision.placed.experiment
    assert stopped.end == stopped.start
    put(database, an_experiment("next"))


def test_rolling_back_puts_back_what_was_before_and_step_by_step_more(database):
    for traffic_bp in (1, 2, 3):
        put(database, an_experiment(traffic_bp=traffic_bp))
    second = undo(database, change=by("bob", "too much")).revision
    assert (second.number, second.action, second.restored, second.author) == (4, Action.ROLLED_BACK, 2, "bob")
    assert second.placed.experiment.traffic_bp == 2
    assert undo(database).revision.placed.experiment.traffic_bp == 1
    with pytest.raises(NotReady, match="no definition before") as caught:
        undo(database)
    assert caught.value.reason == Reason.EXPERIMENT_NOTHING_BEFORE


def test_a_rollback_that_is_asked_for_twice_goes_back_once(database):
    for traffic_bp in (1, 2, 3):
        put(database, an_experiment(traffic_bp=traffic_bp))
    assert undo(database, from_revision=3).changed
    repeated = undo(database, from_revision=3)
    assert (repeated.changed, repeated.revision.restored) == (False, 2)
    with pytest.raises(ChangedMeanwhile):
        undo(database, from_revision=3, to_revision=1)
    with pytest.raises(ChangedMeanwhile):
        undo(database, from_revision=2)


def test_any_revision_can_be_put_back_by_number(database):
    for traffic_bp in (1, 2, 3):
        put(database, an_experiment(traffic_bp=traffic_bp))
    put(database, an_experiment("other", traffic_bp=5))
    assert undo(database, to_revision=1).revision.placed.experiment.traffic_bp == 1
    with pytest.raises(InvalidArgument, match="no revision 4") as caught:
        undo(database, to_revision=4)
    assert (caught.value.reason, caught.value.field) == (Reason.EXPERIMENT_REVISION_UNKNOWN, "to_revision")


def test_a_stop_can_be_rolled_back_and_everyone_gets_the_variant_they_had(database):
    put(database, an_experiment(start=NOW))
    before = experiment(database, "band").placed
    stop_experiment(database, "band", by(at=NOW + DAY))
    resumed = undo(database, change=by(at=NOW + 2 * DAY)).revision.placed
    assert resumed == before


def test_a_rollback_is_checked_like_anything_that_is_put(database):
    put(database, an_experiment("band", traffic_bp=9_000))
    put(database, an_experiment("band", traffic_bp=1_000))
    put(database, an_experiment("other", traffic_bp=9_000))
    with pytest.raises(NotReady) as caught:
        undo(database)
    assert (caught.value.reason, caught.value.field) == (Reason.EXPERIMENT_LAYER_FULL, "to_revision")


@pytest.mark.parametrize("name", ["nobody", "no\0body"])
@pytest.mark.parametrize("change", [stop_experiment, lambda database, name, _by: experiment_history(database, 5, name)])
def test_an_experiment_that_is_not_there_is_named(database, change, name):
    with pytest.raises(ExperimentNotFound) as caught:
        change(database, name, by())
    assert repr(name) in caught.value.message


def test_changes_at_the_same_time_never_share_a_bucket(database):
    failures: list[Exception] = []

    def compete(number: int) -> None:
        try:
            for traffic_bp in (1_000, 2_000, 1_500):
                put(database, an_experiment(f"x{number}", traffic_bp=traffic_bp))
        except Exception as error:  # noqa: BLE001  (a thread's failure must reach the test)
            failures.append(error)

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert newest_revision(database) == 12
    taken = [bucket for one in experiments(database) for r in one.placed.ranges for bucket in range(r.begin, r.end)]
    assert len(taken) == len(set(taken)) == 6_000


class ExperimentsOverTime(RuleBasedStateMachine):
    """Whatever is done to experiments, a unit that is in a running one stays in its variant."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.seen: dict[str, dict[str, str]] = {}
        rng = np.random.default_rng(5)
        self.units = [rng.bytes(16).hex() for _ in range(60)]
        with self.database.write() as connection:
            connection.exec_driver_sql("DELETE FROM experiment_revisions")

    def change(self) -> Change:
        return by(at=self.now)

    @rule(hours=st.integers(1, 48))
    def time_passes(self, hours):
        self.now += timedelta(hours=hours)

    @rule(number=st.integers(0, 2), traffic_bp=st.integers(0, 6_000), days=st.integers(1, 5), wider=st.booleans())
    def put_one(self, number, traffic_bp, days, wider):
        name = f"x{number}"
        ratio = 4.0 if wider else 3.0
        variants = (CONTROL, Variant("wide", 5_000, Settings(max_price_ratio=ratio)))

        def definition(before: Experiment | None) -> Experiment:
            start = self.now if before is None else before.start
            end = max(start, self.now) + days * DAY
            return an_experiment(name, variants=variants, start=start, end=end, traffic_bp=traffic_bp)

        try:
            put_experiment(self.database, name, definition, self.change(), ())
        except NotReady as error:
            assert error.reason in {Reason.EXPERIMENT_LAYER_FULL, Reason.EXPERIMENT_STARTED}  # noqa: PT017

    def known(self) -> bool:
        return newest_revision(self.database) > 0

    @precondition(known)
    @rule(data=st.data())
    def stop_one(self, data):
        name = data.draw(st.sampled_from([one.name for one in experiments(self.database)]))
        stop_experiment(self.database, name, self.change())

    @precondition(known)
    @rule(data=st.data())
    def undo_one(self, data):
        name = data.draw(st.sampled_from([one.name for one in experiments(self.database)]))
        try:
            undo(self.database, name, self.change())
        except NotReady as error:
            assert error.reason in {  # noqa: PT017
                Reason.EXPERIMENT_LAYER_FULL, Reason.EXPERIMENT_STARTED, Reason.EXPERIMENT_NOTHING_BEFORE,
            }  # fmt: skip
        except InvalidArgument as error:
            assert "has passed" in error.message  # noqa: PT017

    @invariant()
    def nobody_is_moved_and_nobody_is_in_two(self):
        assigner = Assigner(one.placed for one in experiments(self.database))
        for unit in self.units:
            assignments = assigner.assign(Asker(unit), self.now)
            assert len(assignments) <= 1
            for one in assignments:
                variants = self.seen.setdefault(unit, {})
                assert variants.setdefault(one.experiment.name, one.variant.name) == one.variant.name

    @invariant()
    def no_bucket_has_two_at_any_time(self):
        placed = [one.placed for one in experiments(self.database)]
        for number, first in enumerate(placed):
            for second in placed[:number]:
                if first.experiment.overlaps(second.experiment):
                    assert not _shared(first.ranges, second.ranges)


def _shared(first: tuple[BucketRange, ...], second: tuple[BucketRange, ...]) -> bool:
    return any(one.begin < other.end and other.begin < one.end for one in first for other in second)


def test_over_time_nobody_changes_sides(database):
    machine = type("OfThisStore", (ExperimentsOverTime,), {"database": database})
    run_state_machine_as_test(machine, settings=settings(max_examples=12, stateful_step_count=15, deadline=None))


def test_a_revision_is_what_was_put_whatever_time_zone_it_came_in(database):
    tokyo = replace(an_experiment(), start=(NOW + DAY).astimezone())
    put(database, tokyo)
    assert not put(database, an_experiment()).changed
