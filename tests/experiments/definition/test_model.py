"""An experiment that contradicts itself cannot be made, and says where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_experiments.definition.errors import DefinitionError
from ruiji_experiments.definition.model import (
    Experiment,
    Parameter,
    RampStep,
    Settings,
    Target,
    Variant,
    equal_variants,
)

START = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
CONTROL = Variant("control", 5_000)
WIDE = Variant("wide", 5_000, Settings(max_price_ratio=3.0))


def an_experiment(**changes: Any) -> Experiment:
    fields: dict[str, Any] = {"name": "band", "variants": (CONTROL, WIDE), "start": START}
    return Experiment(**fields | changes)


def test_the_salt_is_the_name_unless_said():
    assert an_experiment().salt == "band"
    assert an_experiment(salt="other").salt == "other"


def test_an_experiment_sets_what_any_of_its_variants_sets():
    variants = (CONTROL, Variant("b", 2_500, Settings(encoder_id="enc-1")), Variant("c", 2_500, Settings(candidates=9)))
    assert an_experiment(variants=variants).parameters == {Parameter.ENCODER, Parameter.CANDIDATES}
    assert an_experiment(variants=variants).encoder_ids == {"enc-1"}


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"variants": (CONTROL, Variant("wide", 4_999, WIDE.settings))}, "variants", "add up to 9999"),
        ({"variants": (CONTROL, Variant("wide", 5_001, WIDE.settings))}, "variants", "add up to 10001"),
        ({"variants": (Variant("only", 10_000),)}, "variants", "not 1"),
        ({"variants": (CONTROL, Variant("control", 5_000, WIDE.settings))}, "variants[1].name", "twice"),
        ({"variants": (CONTROL, Variant("same", 5_000))}, "variants", "do the same"),
        ({"is_aa": True}, "variants", "a1, a2"),
        ({"interleaved": True, "variants": (CONTROL,)}, "variants", "exactly two variants, not 1"),
        (
            {"interleaved": True, "variants": (Variant("a", 4_000), Variant("b", 6_000, WIDE.settings))},
            "variants",
            "with traffic and ramp",
        ),
        ({"end": START - DAY}, "end", "before the start"),
        ({"start": START.replace(tzinfo=None)}, "start", "no time zone"),
        ({"name": "Band"}, "name", "no name"),
        ({"name": ""}, "name", "no name"),
        ({"layer": "a b"}, "layer", "no name"),
        ({"salt": "layer:default"}, "salt", "no name"),
        ({"traffic_bp": 10_001}, "traffic_bp", "between"),
        ({"description": "x" * 1_001}, "description", "characters"),
        ({"traffic_bp": 10, "ramp": (RampStep(START, 20),)}, "ramp[0].at", "between start and end"),
        ({"traffic_bp": 10, "end": START + DAY, "ramp": (RampStep(START + DAY, 20),)}, "ramp[0].at", "between start"),
        ({"traffic_bp": 20, "ramp": (RampStep(START + DAY, 10),)}, "ramp[0].traffic_bp", "only grows"),
        (
            {"traffic_bp": 1, "ramp": (RampStep(START + 2 * DAY, 2), RampStep(START + DAY, 3))},
            "ramp[1].at",
            "one after the other",
        ),
    ],
)
def test_a_contradiction_is_named_with_its_field(changes, field, message):
    with pytest.raises(DefinitionError, match=message) as caught:
        an_experiment(**changes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"encoder_id": ""}, Parameter.ENCODER),
        ({"max_price_ratio": 0.99}, Parameter.MAX_PRICE_RATIO),
        ({"max_price_ratio": float("nan")}, Parameter.MAX_PRICE_RATIO),
        ({"category_weight": 1.01}, Parameter.CATEGORY_WEIGHT),
        ({"category_weight": float("nan")}, Parameter.CATEGORY_WEIGHT),
        ({"candidates": 0}, Parameter.CANDIDATES),
    ],
)
def test_a_setting_out_of_range_is_named(changes, field):
    with pytest.raises(DefinitionError) as caught:
        Settings(**changes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"categories": ((),)}, "categories[0]"),
        ({"categories": (("Fashion",), ("Fashion", ""))}, "categories[1]"),
        ({"attributes": (("platform", ()),)}, "attributes['platform']"),
        ({"attributes": (("b", ("1",)), ("a", ("1",)))}, "attributes"),
        ({"attributes": (("a", ("1",)), ("a", ("2",)))}, "attributes"),
    ],
)
def test_a_target_that_means_nothing_is_named(changes, field):
    with pytest.raises(DefinitionError) as caught:
        Target(**changes)
    assert caught.value.field == field


@given(count=st.integers(2, 20))
def test_equal_variants_share_everything_as_equally_as_can_be(count):
    variants = equal_variants(count)
    shares = [variant.share_bp for variant in variants]
    assert (len(shares), sum(shares), max(shares) - min(shares) <= 1) == (count, 10_000, True)
    assert an_experiment(variants=variants, is_aa=True).parameters == frozenset()


@pytest.mark.parametrize("count", [-1, 0, 1, 21])
def test_an_aa_experiment_has_2_to_20_variants(count):
    with pytest.raises(DefinitionError, match=f"not {count}"):
        equal_variants(count)


@pytest.mark.parametrize(
    ("own", "other", "overlap"),
    [
        ((0, 10), (10, 20), False),
        ((0, 11), (10, 20), True),
        ((0, None), (10, 20), True),
        ((20, None), (10, 20), False),
        ((0, None), (5, None), True),
        ((5, 5), (0, 10), False),
        ((5, 5), (0, None), False),
    ],
)
def test_two_experiments_overlap_if_both_run_at_some_moment(own, other, overlap):
    def between(begin: int, end: int | None) -> Experiment:
        return an_experiment(start=START + begin * DAY, end=None if end is None else START + end * DAY)

    assert between(*own).overlaps(between(*other)) is overlap
    assert between(*other).overlaps(between(*own)) is overlap


def test_it_runs_from_its_start_until_just_before_its_end():
    experiment = an_experiment(end=START + DAY)
    tick = timedelta(microseconds=1)
    assert [experiment.runs_at(at) for at in (START - tick, START, START + DAY - tick, START + DAY)] == [
        False, True, True, False,
    ]  # fmt: skip
