"""Interleaved experiments on a real server: pages of both variants that can be drawn again, and never a failure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from ruiji.v1.recommendation_pb2 import VariantAssignment
from ruiji_client import (
    AsyncRuijiClient,
    Experiment,
    FailedPreconditionError,
    InvalidArgumentError,
    SimilarItemsResponse,
    Variant,
    impression_event,
)
from ruiji_events.compaction import compact
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder
from ruiji_events.units import UnitHasher, read_key
from ruiji_experiments.assignment import bucket
from ruiji_experiments.interleaving.team_draft import NEITHER, draft_coins, team_draft
from ruiji_experiments.replay.exploration import Exploration
from ruiji_server.events.settings import EventSettings
from ruiji_server.ranking.recommender import Recommender
from ruiji_server.services.server import ServerSettings

from tests.support.catalogues import ENCODER_ID, OTHER_ENCODER_ID
from tests.support.experiments import UNITS, WHO, counted
from tests.support.services import served

NAMES = ("control", "kinds")


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings(
        "127.0.0.1:0",
        generation_poll_s=0.05,
        drain_s=0.0,
        unit_key=tmp_path / "unit.key",
        events=EventSettings(tmp_path / "journal", impression_share=1.0),
    )


def an_experiment(name: str = "x", **changes: object) -> Experiment:
    """By default categories count for nothing in the control, and for everything in the other variant."""
    fields: dict[str, object] = {
        "interleaved": True,
        "variants": [Variant(name="control", category_weight=0.0), Variant(name="kinds", category_weight=1.0)],
    }
    return Experiment(**{"name": name} | fields | changes)  # type: ignore[arg-type]


def ids(answer: SimilarItemsResponse) -> list[str]:
    return [item.item_id for item in answer.items]


async def assert_drawn_from_both(
    client: AsyncRuijiClient, answer: SimilarItemsResponse, salt: str, page_size: int, **query: object
) -> None:
    """Draw the page again, from the request's id and the two pages that the variants give by themselves."""
    pages = [await client.similar_items(variant=f"x/{name}", page_size=page_size, **query) for name in NAMES]
    picks = team_draft(*map(ids, pages), page_size, draft_coins(salt, answer.request_id))
    drawn = []
    for pick in picks:
        item = pages[pick.ranking].items[pick.place]
        item.team = "" if pick.team == NEITHER else NAMES[pick.team]
        drawn.append(item)
    assert list(answer.items) == drawn


async def test_a_page_is_drawn_from_both_variants_and_can_be_drawn_again(client, asked):
    await client.put_experiment(an_experiment(salt="pepper"), **WHO)
    for unit_id in UNITS[:10]:
        answer = await client.similar_items(item_id=asked, unit_id=unit_id, page_size=9)
        assert list(answer.variants) == [VariantAssignment(experiment="x", interleaved=True)]
        assert {item.team for item in answer.items} == set(NAMES)
        assert (answer.encoder_id, len(answer.generation_id) > 0) == (ENCODER_ID, True)
        await assert_drawn_from_both(client, answer, "pepper", 9, item_id=asked)


async def test_each_answer_tosses_coins_of_its_own(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    answers = [await client.similar_items(item_id=asked, unit_id="user-1", page_size=6) for _ in range(40)]
    begins = Counter(answer.items[0].team for answer in answers)
    # One in ten thousand million times all forty begin alike.
    assert set(begins) == set(NAMES)


@pytest.mark.parametrize("page_size", [1, 2, 7, 200])
async def test_no_item_stands_twice_and_none_that_is_excluded(client, asked, page_size):
    await client.put_experiment(an_experiment(), **WHO)
    plain = await client.similar_items(item_id=asked, page_size=200, max_price_ratio=math.inf)
    excluded = ids(plain)[:20:2]
    query = {"item_id": asked, "excluded_item_ids": excluded, "max_price_ratio": math.inf}
    answer = await client.similar_items(unit_id="user-1", page_size=page_size, **query)
    on_page = ids(answer)
    assert len(on_page) == len(set(on_page)) == min(page_size, len(plain.items) - len(excluded))
    assert not {asked, *excluded} & set(on_page)
    assert answer.catalogue_exhausted is (page_size == 200)
    await assert_drawn_from_both(client, answer, "x", page_size, **query)


async def test_a_variant_that_has_no_more_leaves_the_rest_of_the_page_to_nobody(client, asked):
    variants = [Variant(name="control", max_price_ratio=1.05), Variant(name="kinds", max_price_ratio=math.inf)]
    await client.put_experiment(an_experiment(variants=variants), **WHO)
    control = await client.similar_items(item_id=asked, page_size=20, variant="x/control")
    answer = await client.similar_items(item_id=asked, page_size=20, unit_id="user-1")
    assert (0 < len(control.items) < 10, len(answer.items), answer.catalogue_exhausted) == (True, 20, False)
    teams = [item.team for item in answer.items]
    contested = teams.index("")
    assert set(teams[contested:]) == {""}
    assert abs(teams.count("control") - teams.count("kinds")) <= 1
    assert set(ids(control)) <= set(ids(answer))
    await assert_drawn_from_both(client, answer, "x", 20, item_id=asked)


async def test_pages_of_two_encoders_are_drawn_from_their_own_generations(client, asked):
    variants = [Variant(name="control", encoder_id=ENCODER_ID), Variant(name="kinds", encoder_id=OTHER_ENCODER_ID)]
    await client.put_experiment(an_experiment(variants=variants), **WHO)
    answer = await client.similar_items(item_id=asked, unit_id="user-1", page_size=10)
    assert (answer.encoder_id, answer.generation_id) == ("", "")
    await assert_drawn_from_both(client, answer, "x", 10, item_id=asked)


async def test_traffic_says_how_many_units_get_interleaved_pages_and_the_others_get_what_they_always_did(
    client, asked, settings
):
    plain = await client.similar_items(item_id=asked)
    await client.put_experiment(an_experiment(traffic_bp=4_000), **WHO)
    hasher, inside = UnitHasher(read_key(settings.unit_key)), set()
    for unit_id in UNITS:
        answer = await client.similar_items(item_id=asked, unit_id=unit_id)
        if bucket("layer:default", hasher.hash(unit_id)) < 4_000:
            inside.add(unit_id)
            assert answer.variants[0].interleaved
        else:
            assert (answer.items, list(answer.variants)) == (plain.items, [])
    assert 0 < len(inside) < len(UNITS)


@pytest.mark.parametrize(
    ("options", "reason"), [({"explain": True}, "explained"), ({"category_weight": 0.3}, "set_by_request")]
)
async def test_what_cannot_be_drawn_from_both_is_answered_without_the_experiment(client, asked, options, reason):
    await client.put_experiment(an_experiment(), **WHO)
    before = counted("ruiji_experiment_left_out_total", experiment="x", reason=reason)
    plain = await client.similar_items(item_id=asked, **options)
    answer = await client.similar_items(item_id=asked, unit_id="user-1", **options)
    assert (answer.items, list(answer.variants)) == (plain.items, [])
    assert counted("ruiji_experiment_left_out_total", experiment="x", reason=reason) == before + 1


@pytest.mark.parametrize("failing", [0.0, 1.0])
async def test_if_either_variant_fails_the_request_is_answered_as_if_there_were_no_experiment(
    client, asked, settings, tmp_path, monkeypatch, caplog, failing
):
    await client.put_experiment(an_experiment(), **WHO)
    plain = await client.similar_items(item_id=asked)
    recommend = Recommender.recommend

    def broken(self, query):
        if query.policy.category_weight == failing:
            raise RuntimeError("a fault of this variant alone")
        return recommend(self, query)

    monkeypatch.setattr(Recommender, "recommend", broken)
    before = counted("ruiji_experiment_left_out_total", experiment="x", reason="variant_failed")
    answer = await client.similar_items(item_id=asked, unit_id="user-1")
    assert (answer.items, list(answer.variants)) == (plain.items, [])
    assert counted("ruiji_experiment_left_out_total", experiment="x", reason="variant_failed") == before + 1
    assert "a fault of this variant alone" in caplog.text


async def test_what_fell_back_is_not_logged_as_interleaved(store, directory, settings, asked, tmp_path, monkeypatch):
    recommend = Recommender.recommend

    def broken(self, query):
        if query.policy.category_weight == 1.0:
            raise RuntimeError("a fault of this variant alone")
        return recommend(self, query)

    monkeypatch.setattr(Recommender, "recommend", broken)
    async with served(store.database, directory, settings=settings) as client:
        await client.put_experiment(an_experiment(), **WHO)
        await client.similar_items(item_id=asked, unit_id="user-1")
    [(experiments, teams, weight)] = logged(tmp_path, "experiments, [item.team FOR item IN items], category_weight")
    assert (experiments, set(teams), weight) == ([], {None}, 0.2)


async def test_an_experiment_of_another_layer_holds_for_both_variants(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    band = [Variant(name="narrow", share_bp=9_999, max_price_ratio=1.5), Variant(name="b", share_bp=1)]
    await client.put_experiment(Experiment(name="bands", layer="bands", variants=band), **WHO)
    answer = await client.similar_items(item_id=asked, unit_id="user-1", page_size=8)
    assert list(answer.variants) == [
        VariantAssignment(experiment="bands", variant="narrow"), VariantAssignment(experiment="x", interleaved=True)
    ]  # fmt: skip
    assert max(item.price_ratio for item in answer.items) <= 1.5
    await assert_drawn_from_both(client, answer, "x", 8, item_id=asked, max_price_ratio=1.5)


async def test_one_page_is_drawn_for_one_experiment(client):
    await client.put_experiment(an_experiment(), **WHO)
    other = [Variant(name="a"), Variant(name="b", candidates=9)]
    with pytest.raises(FailedPreconditionError) as caught:
        await client.put_experiment(an_experiment("y", layer="y", variants=other), **WHO)
    assert (caught.value.reason, caught.value.field) == ("EXPERIMENT_INTERLEAVING_TAKEN", "experiment.interleaved")


async def test_a_forced_variant_is_that_variant_alone(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    answer = await client.similar_items(item_id=asked, unit_id="user-1", variant="x/kinds")
    direct = await client.similar_items(item_id=asked, category_weight=1.0)
    assert answer.items == direct.items
    assert list(answer.variants) == [VariantAssignment(experiment="x", variant="kinds", forced=True)]


async def test_interleaved_pages_are_not_explored_for_their_order_is_judged(store, directory, settings, asked):
    exploring = replace(settings, exploration=Exploration(1.0, 5))
    async with served(store.database, directory, settings=exploring) as client:
        await client.put_experiment(an_experiment(), **WHO)
        answer = await client.similar_items(item_id=asked, unit_id="user-1", page_size=10)
        assert not any(item.HasField("propensity") for item in answer.items)
        await assert_drawn_from_both(client, answer, "x", 10, item_id=asked)


async def test_a_definition_comes_back_with_its_halves_and_wrong_ones_are_refused(client):
    put = await client.put_experiment(an_experiment(traffic_bp=100), **WHO)
    experiment = put.status.revision.experiment
    assert (experiment.interleaved, [one.share_bp for one in experiment.variants]) == (True, [5_000, 5_000])
    assert (await client.get_experiment("x")).status == put.status
    assert not (await client.put_experiment(experiment, **WHO)).changed
    for variants in (
        [Variant(name="a", share_bp=1_000), Variant(name="b", share_bp=9_000, candidates=9)],
        [Variant(name="a"), Variant(name="b", candidates=9), Variant(name="c", candidates=8)],
    ):
        with pytest.raises(InvalidArgumentError) as caught:
            await client.put_experiment(an_experiment("y", variants=variants), **WHO)
        assert (caught.value.reason, caught.value.field) == ("EXPERIMENT_INVALID", "experiment.variants")
    with pytest.raises(FailedPreconditionError) as fixed:
        await client.put_experiment(Experiment(name="x", variants=experiment.variants, traffic_bp=100), **WHO)
    assert fixed.value.field == "experiment.interleaved"


async def test_requests_are_counted_under_both_names(client, asked):
    await client.put_experiment(an_experiment("both"), **WHO)
    for unit_id in UNITS[:4]:
        await client.similar_items(item_id=asked, unit_id=unit_id)
    assert counted("ruiji_experiment_requests_total", experiment="both", variant="control+kinds") == 4


def logged(folder: Path, columns: str) -> list[tuple[object, ...]]:
    events = EventFolder(str(folder / "events"))
    compact(events, folder / "journal")
    with EventQueries(events) as queries:
        return queries.sql(f"SELECT {columns} FROM impressions ORDER BY time, source DESC").fetchall()  # noqa: S608


async def test_the_servers_impressions_and_the_callers_keep_the_team_of_each_item(
    store, directory, settings, asked, tmp_path
):
    async with served(store.database, directory, settings=settings) as client:
        await client.put_experiment(an_experiment(), **WHO)
        answer = await client.similar_items(item_id=asked, unit_id="user-1", page_size=5)
        seen = impression_event(answer, query_item_id=asked, unit_id="user-1", first=2, last=4)
        [outcome] = (await client.record_events([seen])).outcomes
        assert not outcome.HasField("error")
    columns = (
        "source, experiments, encoder_id, category_weight, candidates, [(i.item_id, i.team, i.score) FOR i IN items]"
    )
    server, caller = logged(tmp_path, columns)
    shown = [(item.item_id, item.team, item.score) for item in answer.items]
    interleaved = [{"experiment": "x", "variant": "", "forced": False}]
    assert server == ("server", interleaved, ENCODER_ID, None, None, shown)
    assert caller == ("client", interleaved, ENCODER_ID, None, None, shown[1:4])


async def test_teams_that_make_no_sense_are_refused(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    answer = await client.similar_items(item_id=asked, unit_id="user-1", page_size=3)
    label = "impression.variants[0]"
    for changed, field in (
        ([], "impression.items[0].team"),
        ([VariantAssignment(experiment="x", variant="control")], "impression.items[0].team"),
        ([VariantAssignment(experiment="x")], f"{label}.variant"),
        ([VariantAssignment(experiment="x", variant="control", interleaved=True)], label),
        ([VariantAssignment(experiment="x", interleaved=True, forced=True)], label),
        ([VariantAssignment(experiment=name, interleaved=True) for name in "xy"], "impression.variants"),
    ):
        event = impression_event(answer, query_item_id=asked)
        del event.impression.variants[:]
        event.impression.variants.extend(changed)
        [outcome] = (await client.record_events([event])).outcomes
        assert (outcome.error.reason, outcome.error.field) == ("VARIANT_INVALID", field)
