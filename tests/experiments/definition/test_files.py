"""Experiments are written by people as TOML and kept as JSON; nothing is lost or guessed on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_experiments.definition.errors import DefinitionError
from ruiji_experiments.definition.layers import BucketRange, PlacedExperiment
from ruiji_experiments.definition.model import (
    Experiment,
    RampStep,
    Settings,
    Target,
    Variant,
    equal_variants,
)
from ruiji_experiments.definition.stored import from_json, to_json
from ruiji_experiments.definition.toml_file import experiment_from_toml

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GOLDEN = Path(__file__).parent / "golden"
WHOLE = """
name = "siglip"
description = "SigLIP against MobileNetV2"
layer = "encoders"
salt = "2026-12"
traffic = 0.1
start = 2026-12-01T09:00:00+09:00
end = 2026-12-15T00:00:00Z

[[ramp]]
at = 2026-12-02T00:00:00Z
traffic = 0.5

[target]
categories = [["Fashion", "Shoes"], ["Toys"]]
attributes.platform = ["ios", "android"]
attributes.country = ["JP"]

[[variants]]
name = "control"
share = 0.3333

[[variants]]
name = "siglip"
share = 0.6667
encoder_id = "enc-0123456789abcdef"
max_price_ratio = inf
category_weight = 0.25
candidates = 200
"""
EXPECTED = Experiment(
    name="siglip",
    description="SigLIP against MobileNetV2",
    layer="encoders",
    salt="2026-12",
    traffic_bp=1_000,
    start=datetime(2026, 12, 1, tzinfo=UTC),
    end=datetime(2026, 12, 15, tzinfo=UTC),
    ramp=(RampStep(datetime(2026, 12, 2, tzinfo=UTC), 5_000),),
    target=Target((("Fashion", "Shoes"), ("Toys",)), (("country", ("JP",)), ("platform", ("ios", "android")))),
    variants=(
        Variant("control", 3_333),
        Variant("siglip", 6_667, Settings("enc-0123456789abcdef", float("inf"), 0.25, 200)),
    ),
)


def test_every_key_of_a_file_is_read():
    assert experiment_from_toml(WHOLE, NOW) == EXPECTED


def test_an_aa_experiment_is_one_line():
    experiment = experiment_from_toml('name = "aa"\naa_variants = 3', NOW)
    assert experiment == Experiment(name="aa", variants=equal_variants(3), start=NOW, is_aa=True)


def test_an_interleaved_experiment_needs_no_shares():
    text = """
name = "x"
interleaved = true
traffic = 0.2
[[variants]]
name = "control"
[[variants]]
name = "wide"
max_price_ratio = 3.0
"""
    experiment = experiment_from_toml(text, NOW)
    assert (experiment.interleaved, experiment.traffic_bp) == (True, 2_000)
    assert [variant.share_bp for variant in experiment.variants] == [5_000, 5_000]
    assert experiment_from_toml(text.replace('"control"', '"control"\nshare = 0.5'), NOW) == experiment
    assert experiment_from_toml('name = "x"\ninterleaved = true\naa_variants = 2', NOW).is_aa


VARIANTS = """
[[variants]]
name = "a"
share = 0.5
[[variants]]
name = "b"
share = 0.5
candidates = 5
"""


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ("name = ", "", "no TOML"),
        (VARIANTS, "name", "missing"),
        ('name = "x"', "variants", "either"),
        ('name = "x"\naa_variants = 2' + VARIANTS, "variants", "either"),
        ('name = "x"\ntrafic = 0.5' + VARIANTS, "trafic", "known are .*traffic"),
        ('name = "x"\ntraffic = 0.00001' + VARIANTS, "traffic", "four decimals"),
        ('name = "x"\ntraffic = nan' + VARIANTS, "traffic", "no share"),
        ('name = "x"\ntraffic = 50' + VARIANTS, "traffic", "from 0 to 1"),
        ('name = "x"\ntraffic = true' + VARIANTS, "traffic", "not a number"),
        ('name = "x"\nend = "tomorrow"' + VARIANTS, "end", "a time with its zone"),
        ('name = "x"\nend = 2027-01-01T00:00:00' + VARIANTS, "end", "no time zone"),
        ('name = "x"' + VARIANTS + "weight = 1", "variants[1].weight", "no such key"),
        ('name = "x"' + VARIANTS.replace("share = 0.5", "share = 0.6", 1), "variants", "add up to 11000"),
        ('name = "x"\ninterleaved = 1' + VARIANTS, "interleaved", "neither true nor false"),
        ('name = "x"\ninterleaved = true' + VARIANTS.replace("share = 0.5", "share = 0.6", 1), "variants", "no shares"),
        ('name = "x"\ninterleaved = true\naa_variants = 3', "variants", "exactly two variants, not 3"),
        ('name = "x"' + VARIANTS.replace("share = 0.5", "", 1), "variants[0].share", "missing"),
        ('name = "x"' + VARIANTS + "category_weight = 2", "variants[1].category_weight", "between 0 and 1"),
        ('name = "x"\nvariants = ["a"]', "variants", r"\[\[variants\]\]"),
        ('name = "x"' + VARIANTS + "[target]\ncategories = ['a']", "target.categories", "list of paths"),
        ('name = "x"' + VARIANTS + "[target]\nattributes.os = 'a'", "target.attributes['os']", "list of texts"),
        ('name = "x"' + VARIANTS + "[target]\nheader = 'a'", "target.header", "no such key"),
        ('name = "x"' + VARIANTS + "[[ramp]]\nat = 2027-01-01T00:00:00Z", "ramp[0].traffic", "missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(text, field, message):
    with pytest.raises(DefinitionError, match=message) as caught:
        experiment_from_toml(text, NOW)
    assert caught.value.field == field


TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
SETTINGS = st.builds(
    Settings,
    encoder_id=st.none() | st.text(min_size=1, max_size=64),
    max_price_ratio=st.none() | st.floats(1.0, allow_nan=False),
    category_weight=st.none() | st.floats(0, 1),
    candidates=st.none() | st.integers(1, 10_000),
)


@given(start=TIMES, days=st.none() | st.integers(1, 99), settings=SETTINGS, share_bp=st.integers(1, 9_999))
def test_what_is_kept_as_json_comes_back_as_it_was(start, days, settings, share_bp):
    other = Settings(candidates=1) if settings == Settings() else Settings()
    variants = (Variant("a", share_bp, other), Variant("b", 10_000 - share_bp, settings))
    experiment = Experiment(
        name="x",
        variants=variants,
        start=start,
        end=None if days is None else start + timedelta(days=days),
        traffic_bp=7,
    )
    placed = PlacedExperiment(experiment, (BucketRange(5, 10), BucketRange(0, 2)))
    assert from_json(to_json(placed)) == placed


def test_what_this_release_writes_is_what_stores_hold():
    placed = PlacedExperiment(EXPECTED, (BucketRange(0, 5_000),))
    text = (GOLDEN / "experiment-1.json").read_text(encoding="utf-8")
    assert from_json(text) == placed
    assert json.loads(to_json(placed)) == json.loads(text)


def test_an_interleaved_experiment_is_kept_in_a_format_that_older_releases_refuse():
    """They would take it for an A/B test; all others they can go on reading."""
    halves = tuple(replace(variant, share_bp=5_000) for variant in EXPECTED.variants)
    experiment = replace(EXPECTED, interleaved=True, variants=halves)
    placed = PlacedExperiment(experiment, (BucketRange(0, 5_000),))
    text = (GOLDEN / "experiment-2.json").read_text(encoding="utf-8")
    assert from_json(text) == placed
    assert json.loads(to_json(placed)) == json.loads(text)
    assert json.loads(text)["format"] == 2


def test_a_later_format_is_refused():
    text = (GOLDEN / "experiment-1.json").read_text(encoding="utf-8").replace('"format": 1', '"format": 3')
    with pytest.raises(ValueError, match="later release"):
        from_json(text)
