"""Which requests take part in an experiment: alike for each variant, or the variants could not be compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from ruiji_client import ExperimentTarget, FailedPreconditionError
from ruiji_events.compaction import compact
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder
from ruiji_events.units import UnitHasher, read_key
from ruiji_server.events.settings import EventSettings
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.schema import encoders
from sqlalchemy import update

from tests.support.catalogues import ENCODER_ID, OTHER_ENCODER_ID, an_item, embed_waiting
from tests.support.experiments import UNITS, WHO, an_experiment, counted, labels, of_encoders, own_catalogue
from tests.support.services import eventually, served


async def test_only_targeted_requests_take_part(client, store, asked):
    [category] = {item.category_path for item in store.items if item.item_id == asked}
    target = ExperimentTarget(
        categories=[{"path": category[:2]}], attributes=[{"name": "platform", "values": ["ios", "android"]}]
    )
    await client.put_experiment(an_experiment(target=target), **WHO)
    elsewhere = next(item.item_id for item in store.items if item.category_path[:2] != category[:2])
    assert set(await labels(client, asked, "user-1", targeting={"platform": "ios"})) == {"x"}
    assert await labels(client, asked, "user-1", targeting={"platform": "web"}) == {}
    assert await labels(client, asked, "user-1") == {}
    assert await labels(client, elsewhere, "user-1", targeting={"platform": "ios"}) == {}


@pytest.mark.parametrize(
    ("experiment", "options"),
    [
        (an_experiment(), {"max_price_ratio": 3.0}),
        (of_encoders("x"), {"encoder_id": ENCODER_ID}),
        (of_encoders("x"), {"encoder_id": OTHER_ENCODER_ID}),
    ],
)
async def test_what_the_request_sets_holds_and_then_it_takes_no_part(client, asked, experiment, options):
    """Whichever variant its unit would get, or one variant would lose requests and the other not."""
    await client.put_experiment(experiment, **WHO)
    before = counted("ruiji_experiment_left_out_total", experiment="x", reason="set_by_request")
    plain = await client.similar_items(item_id=asked, **options)
    for unit_id in UNITS[:10]:
        answer = await client.similar_items(item_id=asked, unit_id=unit_id, **options)
        assert (answer.items, list(answer.variants)) == (plain.items, [])
    assert counted("ruiji_experiment_left_out_total", experiment="x", reason="set_by_request") == before + 10


async def test_what_the_request_sets_besides_does_not_keep_it_out(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    options = {"category_weight": 0.7, "encoder_id": OTHER_ENCODER_ID, "excluded_item_ids": ["nobody"]}
    assert set(await labels(client, asked, "user-1", **options)) == {"x"}


async def test_a_query_by_embedding_takes_part_in_ranking_but_in_no_experiment_of_encoders(client, store):
    await client.put_experiment(an_experiment(), **WHO)
    await client.put_experiment(of_encoders(layer="encoders"), **WHO)
    answer = await client.similar_items(embedding=store.vectors[0].tolist(), encoder_id=ENCODER_ID, unit_id="user-1")
    assert [one.experiment for one in answer.variants] == ["x"]


@own_catalogue
async def test_an_item_that_one_of_the_encoders_lacks_is_in_no_variant_of_the_experiment(client, store):
    await client.put_experiment(of_encoders(), **WHO)
    CatalogueStore(store.database).upsert("new", "", [an_item("new", price=store.items[0].price)])
    embed_waiting(store.database, ENCODER_ID, lambda _item_id: store.vectors[0])

    async def is_known() -> bool:
        try:
            return (await client.similar_items(item_id="new")).encoder_id == ENCODER_ID
        except FailedPreconditionError:
            return False

    await eventually(is_known)
    for unit_id in UNITS[:10]:
        answer = await client.similar_items(item_id="new", unit_id=unit_id)
        assert (answer.encoder_id, list(answer.variants)) == (ENCODER_ID, [])


@own_catalogue
async def test_an_encoder_that_stops_serving_ends_its_experiment_and_fails_nothing(client, store, asked):
    await client.put_experiment(of_encoders(), **WHO)
    assert set(await labels(client, asked, "user-1")) == {"encoders"}
    with store.database.write() as connection:
        # As earlier releases did, which did not look for experiments.
        connection.execute(update(encoders).where(encoders.c.encoder_id == OTHER_ENCODER_ID).values(state="retired"))

    async def is_gone() -> bool:
        return [one.encoder_id for one in (await client.info()).serving_encoders] == [ENCODER_ID]

    await eventually(is_gone)
    before = counted("ruiji_experiment_left_out_total", experiment="encoders", reason="encoder_not_serving")
    for unit_id in UNITS:
        answer = await client.similar_items(item_id=asked, unit_id=unit_id)
        assert (answer.encoder_id, list(answer.variants)) == (ENCODER_ID, [])
    after = counted("ruiji_experiment_left_out_total", experiment="encoders", reason="encoder_not_serving")
    assert after == before + len(UNITS)
    [status] = (await client.list_experiments()).experiments
    assert list(status.missing_encoder_ids) == [OTHER_ENCODER_ID]


async def test_every_request_is_counted_by_its_variant(client, asked):
    await client.put_experiment(an_experiment("counted"), **WHO)
    wanted = Counter([(await labels(client, asked, unit_id))["counted"] for unit_id in UNITS])
    for variant, times in wanted.items():
        assert counted("ruiji_experiment_requests_total", experiment="counted", variant=variant) == times


async def test_the_servers_own_impressions_say_who_was_in_which_variant(store, directory, settings, asked, tmp_path):
    kept = replace(settings, events=EventSettings(tmp_path / "journal", impression_share=1.0))
    async with served(store.database, directory, settings=kept) as client:
        await client.put_experiment(an_experiment(), **WHO)
        answer = await client.similar_items(item_id=asked, unit_id="user-1")
        await client.similar_items(item_id=asked, variant="x/wide")
        await client.similar_items(item_id=asked)
    events = EventFolder(str(tmp_path / "events"))
    compact(events, tmp_path / "journal")
    logged = "SELECT request_id, unit, experiments FROM impressions ORDER BY time"
    with EventQueries(events) as queries:
        [first, second, third] = queries.sql(logged).fetchall()
    [label] = answer.variants
    unit = UnitHasher(read_key(settings.unit_key)).hash("user-1")
    assert first == (answer.request_id, unit, [{"experiment": "x", "variant": label.variant, "forced": False}])
    assert second[1:] == (None, [{"experiment": "x", "variant": "wide", "forced": True}])
    assert third[1:] == (None, [])
