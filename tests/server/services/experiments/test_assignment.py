"""Which variant a unit gets: the same one each time, that of the formula, and only who says a unit."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from ruiji_client import Experiment, InvalidArgumentError
from ruiji_events.units import UnitHasher, read_key
from ruiji_experiments.assignment import bucket
from ruiji_server.services.server import ServerSettings

from tests.support.catalogues import ENCODER_ID, OTHER_ENCODER_ID
from tests.support.experiments import UNITS, WHO, an_experiment, labels, of_encoders
from tests.support.services import served


async def test_a_unit_gets_its_variant_each_time_and_the_variant_is_what_it_says(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    seen = Counter()
    for unit_id in UNITS:
        answers = [
            await client.similar_items(item_id=asked, unit_id=unit_id, page_size=200, explain=True) for _ in range(2)
        ]
        [[first], [second]] = [answer.variants for answer in answers]
        assert first == second
        seen[first.variant] += 1
        assert answers[0].items == answers[1].items
        assert answers[0].explanation.max_price_ratio == (math.inf if first.variant == "wide" else 2.0)
    assert set(seen) == {"control", "wide"}


async def test_the_variant_is_that_of_the_formula(client, asked, settings):
    await client.put_experiment(an_experiment(salt="pepper"), **WHO)
    hasher = UnitHasher(read_key(settings.unit_key))
    for unit_id in UNITS[:10]:
        expected = "control" if bucket("pepper", hasher.hash(unit_id)) < 5_000 else "wide"
        assert await labels(client, asked, unit_id) == {"x": expected}


async def test_who_says_no_unit_is_in_no_experiment(client, asked):
    before = await client.similar_items(item_id=asked)
    await client.put_experiment(an_experiment(), **WHO)
    after = await client.similar_items(item_id=asked)
    assert (after.items, list(after.variants)) == (before.items, [])


async def test_a_server_without_a_key_has_no_units_and_so_no_experiments(store, directory, asked):
    settings = ServerSettings("127.0.0.1:0", generation_poll_s=0.05, drain_s=0.0)
    async with served(store.database, directory, settings=settings) as client:
        await client.put_experiment(an_experiment(), **WHO)
        assert await labels(client, asked, "user-1") == {}


async def test_a_variants_encoder_answers_and_its_twin_does_not(client, asked):
    await client.put_experiment(of_encoders(), **WHO)
    for unit_id in UNITS:
        answer = await client.similar_items(item_id=asked, unit_id=unit_id)
        [label] = answer.variants
        assert answer.encoder_id == (OTHER_ENCODER_ID if label.variant == "other" else ENCODER_ID)
        direct = await client.similar_items(item_id=asked, encoder_id=answer.encoder_id)
        assert answer.items == direct.items


async def test_experiments_of_two_layers_apply_together(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    await client.put_experiment(of_encoders(layer="encoders"), **WHO)
    seen = {tuple(sorted((await labels(client, asked, unit_id)).items())) for unit_id in UNITS}
    assert len(seen) == 4
    answer = await client.similar_items(item_id=asked, unit_id=UNITS[0], explain=True)
    got = {one.experiment: one.variant for one in answer.variants}
    assert (answer.encoder_id == OTHER_ENCODER_ID) is (got["encoders"] == "other")
    assert (answer.explanation.max_price_ratio == math.inf) is (got["x"] == "wide")


async def test_an_aa_experiment_is_one_number(client, asked):
    await client.put_experiment(Experiment(name="aa", aa_variants=2), **WHO)
    plain = await client.similar_items(item_id=asked)
    for unit_id in UNITS[:10]:
        answer = await client.similar_items(item_id=asked, unit_id=unit_id)
        assert answer.items == plain.items
        assert answer.variants[0].variant in {"a1", "a2"}
    experiment = (await client.get_experiment("aa")).status.revision.experiment
    assert not (await client.put_experiment(experiment, **WHO)).changed


@pytest.mark.parametrize(
    ("options", "reason", "field"),
    [
        ({"unit_id": "x" * 129}, "UNIT_ID_INVALID", "unit_id"),
        ({"unit_id": "x", "targeting": {str(n): "" for n in range(17)}}, "TARGETING_INVALID", "targeting"),
        ({"unit_id": "x", "targeting": {"a": "x" * 257}}, "TARGETING_INVALID", "targeting"),
        ({"unit_id": "x", "targeting": {"": "x"}}, "TARGETING_INVALID", "targeting"),
    ],
)
async def test_a_unit_or_targeting_that_is_too_long_is_refused(client, asked, options, reason, field):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.similar_items(item_id=asked, **options)
    assert (caught.value.reason, caught.value.field) == (reason, field)
