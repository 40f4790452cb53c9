"""Assignment is sticky, balanced, and independent of everything else."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_experiments.assignment import Asker, Assigner, bucket, targets
from ruiji_experiments.definition.layers import PlacedExperiment, place
from ruiji_experiments.definition.model import Experiment, RampStep, Settings, Target, Variant, equal_variants
from scipy.stats import chi2_contingency, chisquare

START = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
UNITS = [hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest() for number in range(20_000)]
SURE = 1e-4
"""Of the p-values below none of a fair hash falls under it; the units are fixed, so neither do they by chance."""


def an_experiment(name: str, *, shares: tuple[int, ...] = (5_000, 5_000), **changes: object) -> Experiment:
    variants = tuple(
        Variant(f"v{number}", share, Settings(category_weight=number / 20)) for number, share in enumerate(shares)
    )
    return Experiment(name=name, **{"variants": variants, "start": START} | changes)  # type: ignore[arg-type]


def test_a_unit_of_an_interleaved_experiment_gets_no_one_variant():
    [assignment] = Assigner([place(an_experiment("x", interleaved=True), [])]).assign(Asker(UNITS[0]), START)
    assert (assignment.experiment.name, assignment.variant) == ("x", None)


def test_the_share_of_units_that_an_interleaved_experiment_takes_is_its_traffic_and_grows_with_it():
    experiment = an_experiment("x", interleaved=True, traffic_bp=1_000, ramp=(RampStep(START + DAY, 3_000),))
    assigner = Assigner([place(experiment, [])])
    early, late = ({unit for unit in UNITS if assigner.assign(Asker(unit), START + days * DAY)} for days in (0, 1))
    assert early < late
    for inside, share in ((early, 0.1), (late, 0.3)):
        assert (
            chisquare([len(inside), len(UNITS) - len(inside)], [share * len(UNITS), (1 - share) * len(UNITS)]).pvalue
            > SURE
        )


def variants_of(experiments: list[PlacedExperiment], unit: str, now: datetime = START) -> dict[str, str]:
    assignments = Assigner(experiments).assign(Asker(unit), now)
    return {one.experiment.name: one.variant.name for one in assignments}


def test_a_bucket_is_what_the_formula_says():
    for unit in UNITS[:100]:
        expected = int.from_bytes(hashlib.blake2b(b"salt/" + unit.encode()).digest()[:8], "big") % 10_000
        assert bucket("salt", unit) == expected


def test_buckets_stay_the_same_from_release_to_release():
    """A change here would move units between the variants of every running experiment."""
    assert [bucket("salt", unit) for unit in UNITS[:4]] == [2832, 2846, 136, 3472]


def test_every_bucket_is_as_likely():
    counts = Counter(bucket("salt", unit) // 100 for unit in UNITS)
    assert chisquare([counts[hundred] for hundred in range(100)]).pvalue > SURE


@pytest.mark.parametrize("shares", [(5_000, 5_000), (1_000, 9_000), (3_334, 3_333, 3_333), (1, 9_999)])
@pytest.mark.parametrize("salt", ["one", "two", "three"])
def test_variants_get_their_shares_of_units(shares, salt):
    assigner = Assigner([place(an_experiment("x", shares=shares, salt=salt), [])])
    counts = Counter(assigner.assign(Asker(unit), START)[0].variant.name for unit in UNITS)
    observed = [counts[f"v{number}"] for number in range(len(shares))]
    assert chisquare(observed, [share / 10_000 * len(UNITS) for share in shares]).pvalue > SURE


def test_an_experiment_gets_its_share_of_the_layer():
    assigner = Assigner([place(an_experiment("x", traffic_bp=2_000), [])])
    inside = sum(bool(assigner.assign(Asker(unit), START)) for unit in UNITS)
    assert chisquare([inside, len(UNITS) - inside], [0.2 * len(UNITS), 0.8 * len(UNITS)]).pvalue > SURE


def test_variants_of_two_layers_are_independent():
    first = place(an_experiment("first"), [])
    other = an_experiment("other", layer="b", shares=(3_000, 3_000, 4_000))
    # The same parameter in two layers is refused where experiments are put; here it does no harm.
    second = PlacedExperiment(other, place(other, []).ranges)
    assigner = Assigner([first, second])
    pairs = Counter(
        tuple(sorted((one.experiment.name, one.variant.name) for one in assigner.assign(Asker(unit), START)))
        for unit in UNITS
    )
    table = [[pairs[("first", f"v{one}"), ("other", f"v{two}")] for two in range(3)] for one in range(2)]
    assert sum(map(sum, table)) == len(UNITS)
    assert chi2_contingency(table).pvalue > SURE


def test_variants_are_independent_of_the_place_in_the_layer():
    """Or an experiment of the first tenth of a layer would have other variants' shares than one of the last."""
    assigner = Assigner([place(an_experiment("x"), [])])
    table = [[0, 0] for _ in range(10)]
    for unit in UNITS:
        variant = assigner.assign(Asker(unit), START)[0].variant.name
        table[bucket("layer:default", unit) // 1_000][int(variant == "v1")] += 1
    assert chi2_contingency(table).pvalue > SURE


def test_variants_of_experiments_after_each_other_are_independent():
    first = place(an_experiment("first", end=START + DAY), [])
    second = place(an_experiment("second", start=START + DAY), [first])
    both = [first, second]
    pairs = Counter(
        (variants_of(both, unit)["first"], variants_of(both, unit, START + DAY)["second"]) for unit in UNITS[:5_000]
    )
    table = [[pairs[one, two] for two in ("v0", "v1")] for one in ("v0", "v1")]
    assert chi2_contingency(table).pvalue > SURE


def test_experiments_of_one_layer_never_have_the_same_unit():
    first = place(an_experiment("first", traffic_bp=4_000), [])
    second = place(an_experiment("second", traffic_bp=6_000), [first])
    seen = [variants_of([first, second], unit) for unit in UNITS[:3_000]]
    assert {len(one) for one in seen} == {1}
    assert {name for one in seen for name in one} == {"first", "second"}


@given(unit=st.text(min_size=1), steps=st.lists(st.integers(1, 4_000), min_size=1, max_size=5))
def test_while_traffic_grows_who_is_in_stays_in_and_keeps_the_variant(unit, steps):
    ramp = tuple(RampStep(START + (n + 1) * DAY, min(sum(steps[: n + 1]), 9_990 + n)) for n in range(len(steps)))
    experiment = an_experiment("x", traffic_bp=0, ramp=ramp)
    placed = place(experiment, [place(an_experiment("beside", traffic_bp=5), [])])
    seen = [variants_of([placed], unit, START + day * DAY) for day in range(len(steps) + 2)]
    inside = [one for one in seen if one]
    assert seen == [{}] * (len(seen) - len(inside)) + inside
    assert len({tuple(one.items()) for one in inside}) <= 1


def test_raising_the_traffic_by_hand_keeps_who_is_in():
    small = place(an_experiment("x", traffic_bp=1_000), [])
    beside = place(an_experiment("beside", traffic_bp=3_000), [small])
    large = place(an_experiment("x", traffic_bp=6_000), [beside], before=small)
    for unit in UNITS[:2_000]:
        before = variants_of([small, beside], unit)
        after = variants_of([large, beside], unit)
        assert before.items() <= after.items()


def test_what_happens_beside_an_experiment_moves_nobody_in_it():
    running = place(an_experiment("x", traffic_bp=5_000), [])
    beside = place(an_experiment("beside", traffic_bp=5_000), [running])
    for unit in UNITS[:1_000]:
        assert variants_of([running], unit).get("x") == variants_of([running, beside], unit).get("x")


def test_nobody_is_in_it_before_the_start_and_after_the_end():
    placed = place(an_experiment("x", end=START + DAY), [])
    assert variants_of([placed], UNITS[0], START - timedelta(microseconds=1)) == {}
    assert variants_of([placed], UNITS[0], START) != {}
    assert variants_of([placed], UNITS[0], START + DAY) == {}


def test_an_aa_experiment_changes_nothing_for_anybody():
    experiment = Experiment(name="aa", variants=equal_variants(3), start=START, is_aa=True)
    assigner = Assigner([place(experiment, [])])
    assert {assigner.assign(Asker(unit), START)[0].variant.settings for unit in UNITS[:500]} == {Settings()}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("Fashion", "Shoes", "Boots"), True),
        (("Fashion", "Shoes"), True),
        (("Fashion", "Shoestrings"), False),
        (("Fashion",), False),
        (("Home", "Fashion", "Shoes"), False),
        ((), False),
        (None, False),
    ],
)
def test_a_category_target_takes_what_begins_with_it(path, expected):
    target = Target(categories=(("Fashion", "Shoes"), ("Toys",)))
    assert targets(target, Asker("u", path)) is expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"platform": "ios", "country": "JP"}, True),
        ({"platform": "android", "country": "JP", "more": "x"}, True),
        ({"platform": "web", "country": "JP"}, False),
        ({"platform": "ios"}, False),
        ({}, False),
    ],
)
def test_an_attribute_target_wants_one_of_the_values_of_each_name(attributes, expected):
    target = Target(attributes=(("country", ("JP",)), ("platform", ("android", "ios"))))
    assert targets(target, Asker("u", None, attributes)) is expected


def test_who_is_not_targeted_is_in_no_other_experiment_of_the_layer_instead():
    """The buckets of a targeted experiment are its own: others would otherwise get its leftovers, a biased half."""
    targeted = place(an_experiment("t", traffic_bp=5_000, target=Target(categories=(("Toys",),))), [])
    open_to_all = place(an_experiment("o", traffic_bp=5_000), [targeted])
    units = UNITS[:1_000]
    shoes = {unit for unit in units if Assigner([targeted, open_to_all]).assign(Asker(unit, ("Shoes",)), START)}
    alone = {unit for unit in units if Assigner([open_to_all]).assign(Asker(unit, ("Shoes",)), START)}
    assert shoes == alone
