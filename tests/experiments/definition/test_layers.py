"""Experiments beside each other never share a unit, a parameter across layers, or a salt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_experiments.definition.changes import check_change
from ruiji_experiments.definition.errors import Conflict, ConflictError, DefinitionError
from ruiji_experiments.definition.layers import BucketRange, PlacedExperiment, place
from ruiji_experiments.definition.model import Experiment, RampStep, Settings, Target, Variant, equal_variants

START = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
VARIANTS = (Variant("control", 5_000), Variant("wide", 5_000, Settings(max_price_ratio=3.0)))
OTHER_VARIANTS = (Variant("control", 5_000), Variant("heavy", 5_000, Settings(category_weight=0.5)))


def an_experiment(name: str, traffic_bp: int = 10_000, **changes: object) -> Experiment:
    fields: dict[str, object] = {"variants": VARIANTS, "start": START, "traffic_bp": traffic_bp}
    return Experiment(name=name, **fields | changes)  # type: ignore[arg-type]


def buckets(placed: PlacedExperiment) -> list[int]:
    return [bucket for one in placed.ranges for bucket in range(one.begin, one.end)]


def test_experiments_of_a_layer_get_different_buckets():
    first = place(an_experiment("first", 4_000), [])
    second = place(an_experiment("second", 6_000), [first])
    assert first.ranges == (BucketRange(0, 4_000),)
    assert second.ranges == (BucketRange(4_000, 10_000),)


def test_a_layer_that_is_full_is_refused_and_says_by_whom():
    first = place(an_experiment("first", 4_000), [])
    with pytest.raises(ConflictError, match=r"60.00% .*wants 60.01%.*first \(40.00%\)") as caught:
        place(an_experiment("second", 6_001), [first])
    assert (caught.value.kind, caught.value.field) == (Conflict.LAYER_FULL, "traffic_bp")


def test_room_for_the_whole_ramp_is_taken_at_once():
    ramped = an_experiment("first", 100, ramp=(RampStep(START + DAY, 9_000),))
    first = place(ramped, [])
    with pytest.raises(ConflictError, match=r"10\.00% "):
        place(an_experiment("second", 1_001), [first])


def test_what_has_ended_leaves_its_buckets_to_others():
    first = place(an_experiment("first", end=START + DAY), [])
    second = place(an_experiment("second", start=START + DAY), [first])
    assert second.ranges == (BucketRange(0, 10_000),)


def test_an_experiment_that_grows_keeps_its_buckets_and_takes_free_ones():
    first = place(an_experiment("first", 1_000), [])
    second = place(an_experiment("second", 1_000), [first])
    grown = place(an_experiment("first", 3_000), [second], before=first)
    assert grown.ranges == (BucketRange(0, 1_000), BucketRange(2_000, 4_000))


def test_a_parameter_is_set_in_one_layer_only():
    first = place(an_experiment("first"), [])
    with pytest.raises(ConflictError, match=r"max_price_ratio is set by experiment .first. of layer") as caught:
        place(an_experiment("second", layer="prices"), [first])
    assert (caught.value.kind, caught.value.field) == (Conflict.PARAMETER_TAKEN, "layer")
    place(an_experiment("second", layer="weights", variants=OTHER_VARIANTS), [first])


def test_of_two_layers_only_one_experiment_is_interleaved_at_a_time():
    first = place(an_experiment("first", 100, interleaved=True), [])
    changes = {"layer": "weights", "variants": OTHER_VARIANTS}
    with pytest.raises(ConflictError, match="is interleaved at the same time") as caught:
        place(an_experiment("second", interleaved=True, **changes), [first])
    assert (caught.value.kind, caught.value.field) == (Conflict.INTERLEAVING_TAKEN, "interleaved")
    place(an_experiment("second", **changes), [first])
    later = {"start": START + DAY} | changes
    ended = place(an_experiment("first", 100, interleaved=True, end=START + DAY), [])
    place(an_experiment("second", interleaved=True, **later), [ended])
    place(an_experiment("second", 100, interleaved=True), [first])


def test_at_another_time_the_parameter_is_free():
    first = place(an_experiment("first", end=START + DAY), [])
    place(an_experiment("second", layer="prices", start=START + DAY), [first])


def test_a_salt_is_used_by_one_experiment_at_a_time():
    first = place(an_experiment("first", 100, salt="s"), [])
    with pytest.raises(ConflictError, match="the salt 's'") as caught:
        place(an_experiment("second", 100, salt="s"), [first])
    assert (caught.value.kind, caught.value.field) == (Conflict.SALT_TAKEN, "salt")


@settings(max_examples=50, deadline=None)
@given(wishes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8_000)), max_size=12))
def test_whatever_is_put_and_changed_no_bucket_has_two_and_growing_keeps_what_was_there(wishes):
    placed: dict[str, PlacedExperiment] = {}
    for number, traffic_bp in wishes:
        name = f"x{number}"
        others = [one for other, one in placed.items() if other != name]
        before = placed.get(name)
        free = 10_000 - sum(len(buckets(one)) for one in others)
        if traffic_bp > free:
            with pytest.raises(ConflictError):
                place(an_experiment(name, traffic_bp), others, before)
            continue
        placed[name] = place(an_experiment(name, traffic_bp), others, before)
        if before is not None:
            kept = min(len(buckets(before)), traffic_bp)
            assert buckets(placed[name])[:kept] == buckets(before)[:kept]
        taken = [bucket for one in placed.values() for bucket in buckets(one)]
        assert len(taken) == len(set(taken))


NOW = START + DAY


@pytest.mark.parametrize(
    "changes",
    [
        {"variants": (Variant("control", 4_000), Variant("wide", 6_000, Settings(max_price_ratio=3.0)))},
        {"variants": equal_variants(2), "is_aa": True},
        {"salt": "other"},
        {"layer": "other"},
        {"target": Target(categories=(("Fashion",),))},
        {"start": START - DAY},
        {"interleaved": True},
    ],
)
def test_what_divides_units_is_fixed_once_it_has_begun(changes):
    before, after = an_experiment("first"), an_experiment("first", **changes)
    with pytest.raises(ConflictError, match="under another name") as caught:
        check_change(before, after, NOW)
    assert caught.value.kind == Conflict.STARTED
    check_change(before, after, START - timedelta(seconds=1))


@pytest.mark.parametrize(
    "changes",
    [{"traffic_bp": 10}, {"end": NOW}, {"end": NOW + DAY}, {"description": "why"}, {"ramp": (), "traffic_bp": 9_999}],
)
def test_traffic_end_and_description_may_change_while_it_runs(changes):
    check_change(an_experiment("first"), an_experiment("first", **changes), NOW)


def test_an_end_is_not_put_into_the_past():
    over = an_experiment("first", end=NOW - timedelta(hours=1))
    for before in (None, an_experiment("first")):
        with pytest.raises(DefinitionError, match="has passed"):
            check_change(before, over, NOW)
    check_change(over, over, NOW)
