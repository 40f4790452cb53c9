"""Experiments change answers while the server runs: the right ones, for the right units, and never into a failure."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY
from ruiji_client import (
    AbortedError,
    AlreadyExistsError,
    AsyncRuijiClient,
    Experiment,
    ExperimentStage,
    ExperimentTarget,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    Variant,
)
from ruiji_events.compaction import compact
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder
from ruiji_events.units import UnitHasher, read_key
from ruiji_experiments.assignment import bucket
from ruiji_server.domain.items import ItemState
from ruiji_server.events.settings import EventSettings
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.server import ServerSettings
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.rollout import retire
from ruiji_server.store.schema import encoders
from sqlalchemy import update

from tests.support.catalogues import (
    DIMENSIONS,
    ENCODER_ID,
    FilledStore,
    SilentBuild,
    an_item,
    build,
    clustered_vectors,
    fill_store,
)
from tests.support.services import served

ITEMS = 120
OTHER = "enc-ffffffffffffffff"
PATIENCE_S = 20.0
WHO = {"author": "ada", "reason": "to see"}
UNITS = [f"user-{number}" for number in range(40)]


def embed(store: FilledStore, encoder_id: str, vector_of: Callable[[str], np.ndarray]) -> None:
    tasks = EmbeddingTaskStore(store.database, encoder_id)
    while claimed := tasks.claim(500, 60.0):
        tasks.finish([FinishedTask(task.item_id, task.picture_sha256, vector_of(task.item_id)) for task in claimed])


Catalogue = tuple[FilledStore, GenerationDirectory]


@contextmanager
def catalogue_of_two_encoders(folder: Path) -> Iterator[Catalogue]:
    store = fill_store(folder, ITEMS)
    register_encoder(store.database, OTHER, "other", DIMENSIONS)
    vectors = dict(zip((item.item_id for item in store.items), clustered_vectors(ITEMS, seed=7), strict=True))
    embed(store, OTHER, vectors.__getitem__)
    build_settings = BuildSettings(recall_sample=50)
    directory, _ = build(store, folder / "generations", build_settings)
    build_generation(store.database, OTHER, directory, build_settings, SilentBuild())
    yield store, directory
    store.database.close()


@pytest.fixture(scope="module")
def shared_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """Only experiments change in it."""
    with catalogue_of_two_encoders(tmp_path_factory.mktemp("shared")) as catalogue:
        yield catalogue


@pytest.fixture
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    """Without experiments; a test's own if it changes more of it."""
    if getattr(request, "param", "shared") == "own":
        with catalogue_of_two_encoders(tmp_path) as own:
            yield own
        return
    shared: Catalogue = request.getfixturevalue("shared_catalogue")
    with shared[0].database.write() as connection:
        connection.exec_driver_sql("DELETE FROM experiment_revisions")
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'experiment_revisions'")
    yield shared


own_catalogue = pytest.mark.parametrize("catalogue", ["own"], indirect=True)


@pytest.fixture
def store(catalogue: Catalogue) -> FilledStore:
    return catalogue[0]


@pytest.fixture
def directory(catalogue: Catalogue) -> GenerationDirectory:
    return catalogue[1]


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return ServerSettings("127.0.0.1:0", generation_poll_s=0.05, drain_s=0.0, unit_key=tmp_path / "unit.key")


@pytest.fixture
async def client(
    store: FilledStore, directory: GenerationDirectory, settings: ServerSettings
) -> AsyncIterator[AsyncRuijiClient]:
    async with served(store.database, directory, settings=settings) as client:
        yield client


@pytest.fixture
def asked(store: FilledStore) -> str:
    return next(item.item_id for item in store.items if item.state == ItemState.ON_SALE)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, "waited in vain"
        await asyncio.sleep(0.02)


def an_experiment(name: str = "x", **changes: object) -> Experiment:
    """By default the band is off for one half of all units."""
    fields: dict[str, object] = {
        "variants": [
            Variant(name="control", share_bp=5_000),
            Variant(name="wide", share_bp=5_000, max_price_ratio=math.inf),
        ]
    }
    return Experiment(**{"name": name} | fields | changes)  # type: ignore[arg-type]


def of_encoders(name: str = "encoders", **changes: object) -> Experiment:
    variants = [
        Variant(name="control", share_bp=5_000),
        Variant(name="other", share_bp=5_000, encoder_id=OTHER),
    ]
    return an_experiment(name, **{"variants": variants} | changes)


async def labels(client: AsyncRuijiClient, item_id: str, unit_id: str, **options: object) -> dict[str, str]:
    answer = await client.similar_items(item_id=item_id, unit_id=unit_id, **options)
    assert not any(one.forced for one in answer.variants)
    return {one.experiment: one.variant for one in answer.variants}


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


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
        assert answer.encoder_id == (OTHER if label.variant == "other" else ENCODER_ID)
        direct = await client.similar_items(item_id=asked, encoder_id=answer.encoder_id)
        assert answer.items == direct.items


async def test_experiments_of_two_layers_apply_together(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    await client.put_experiment(of_encoders(layer="encoders"), **WHO)
    seen = {tuple(sorted((await labels(client, asked, unit_id)).items())) for unit_id in UNITS}
    assert len(seen) == 4
    answer = await client.similar_items(item_id=asked, unit_id=UNITS[0], explain=True)
    got = {one.experiment: one.variant for one in answer.variants}
    assert (answer.encoder_id == OTHER) is (got["encoders"] == "other")
    assert (answer.explanation.max_price_ratio == math.inf) is (got["x"] == "wide")


@pytest.mark.parametrize(
    ("experiment", "options"),
    [
        (an_experiment(), {"max_price_ratio": 3.0}),
        (of_encoders("x"), {"encoder_id": ENCODER_ID}),
        (of_encoders("x"), {"encoder_id": OTHER}),
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
    options = {"category_weight": 0.7, "encoder_id": OTHER, "excluded_item_ids": ["nobody"]}
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
    embed(store, ENCODER_ID, lambda _item_id: store.vectors[0])

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
        connection.execute(update(encoders).where(encoders.c.encoder_id == OTHER).values(state="retired"))

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
    assert list(status.missing_encoder_ids) == [OTHER]


async def test_every_request_is_counted_by_its_variant(client, asked):
    await client.put_experiment(an_experiment("counted"), **WHO)
    wanted = Counter([(await labels(client, asked, unit_id))["counted"] for unit_id in UNITS])
    for variant, times in wanted.items():
        assert counted("ruiji_experiment_requests_total", experiment="counted", variant=variant) == times


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


async def test_a_variant_can_be_forced_by_anybody_whether_the_experiment_runs_or_not(client, asked):
    start = datetime.now(UTC) + timedelta(days=1)
    await client.put_experiment(of_encoders(start=start), **WHO)
    for unit_id in (None, *UNITS[:5]):
        answer = await client.similar_items(item_id=asked, unit_id=unit_id, variant="encoders/other")
        assert answer.encoder_id == OTHER
        assert [(one.experiment, one.variant, one.forced) for one in answer.variants] == [("encoders", "other", True)]
    assert await labels(client, asked, "user-1") == {}


async def test_forcing_changes_nothing_that_the_request_sets(client, asked):
    await client.put_experiment(an_experiment(), **WHO)
    answer = await client.similar_items(item_id=asked, variant="x/wide", max_price_ratio=1.5, explain=True)
    assert answer.explanation.max_price_ratio == 1.5


@pytest.mark.parametrize("variant", ["x/nobody", "nobody/wide", "x", "x/", "/"])
async def test_a_variant_that_is_not_there_cannot_be_forced(client, asked, variant):
    await client.put_experiment(an_experiment(), **WHO)
    with pytest.raises(InvalidArgumentError) as caught:
        await client.similar_items(item_id=asked, variant=variant)
    assert (caught.value.reason, caught.value.field) == ("VARIANT_UNKNOWN", "variant")


@own_catalogue
async def test_forcing_a_variant_whose_encoder_does_not_serve_says_so(client, store, asked):
    await client.put_experiment(of_encoders(), **WHO)
    await client.stop_experiment("encoders", **WHO)
    retire(store.database, OTHER)

    async def is_refused() -> bool:
        try:
            await client.similar_items(item_id=asked, variant="encoders/other")
        except FailedPreconditionError as error:
            return error.reason == "ENCODER_MISMATCH"
        return False

    await eventually(is_refused)


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


async def test_a_server_follows_what_another_was_told_without_a_restart(client, store, directory, settings, asked):
    async with served(store.database, directory, settings=settings) as other:

        async def has_it() -> bool:
            return set(await labels(client, asked, "user-1")) == {"x"}

        async def has_it_no_more() -> bool:
            return not await has_it()

        await other.put_experiment(an_experiment(), **WHO)
        await eventually(has_it)
        assert await labels(client, asked, "user-1") == await labels(other, asked, "user-1")
        await other.stop_experiment("x", **WHO)
        await eventually(has_it_no_more)


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


async def test_a_server_goes_on_when_a_later_release_puts_what_it_cannot_read(client, store, asked, caplog):
    await client.put_experiment(an_experiment(), **WHO)
    before = await labels(client, asked, "user-1")
    with store.database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO experiment_revisions (experiment, content, action, author, reason, changed_at_us)"
            """ VALUES ('new', '{"format": 99}', 'put', 'ada', 'later', 0)"""
        )

    async def has_looked() -> bool:
        return "cannot be read" in caplog.text

    await eventually(has_looked)
    assert await labels(client, asked, "user-1") == before != {}


async def test_what_was_put_is_read_back_with_defaults_filled_in(client):
    put = await client.put_experiment(of_encoders(traffic_bp=2_000), **WHO)
    got = (await client.get_experiment("encoders")).status
    assert put.status == got
    assert got.stage == ExperimentStage.EXPERIMENT_STAGE_RUNNING
    assert (got.current_traffic_bp, got.revision.revision) == (2_000, 1)
    experiment = got.revision.experiment
    assert (experiment.layer, experiment.salt, experiment.HasField("end")) == ("default", "encoders", False)
    assert [one.encoder_id for one in experiment.variants] == ["", OTHER]
    # What was read can be put again, and changes nothing.
    assert not (await client.put_experiment(experiment, **WHO)).changed


async def test_an_aa_experiment_is_one_number(client, asked):
    await client.put_experiment(Experiment(name="aa", aa_variants=2), **WHO)
    plain = await client.similar_items(item_id=asked)
    for unit_id in UNITS[:10]:
        answer = await client.similar_items(item_id=asked, unit_id=unit_id)
        assert answer.items == plain.items
        assert answer.variants[0].variant in {"a1", "a2"}
    experiment = (await client.get_experiment("aa")).status.revision.experiment
    assert not (await client.put_experiment(experiment, **WHO)).changed


async def test_an_experiment_that_is_replaced_keeps_its_start_unless_told(client):
    first = (await client.put_experiment(an_experiment(), **WHO)).status.revision
    second = (await client.put_experiment(an_experiment(traffic_bp=100), **WHO)).status.revision
    assert second.experiment.start == first.experiment.start == first.changed_at


async def test_who_did_what_when_and_why_is_read_back_newest_first(client):
    await client.put_experiment(an_experiment(), author="ada", reason="first")
    await client.put_experiment(an_experiment(traffic_bp=10), author="bob", reason="less", expected_revision=1)
    back = await client.roll_back_experiment("x", from_revision=2, author="cy", reason="more after all")
    again = await client.roll_back_experiment("x", from_revision=2, author="cy", reason="more after all")
    assert (back.changed, again.changed) == (True, False)
    await client.stop_experiment("x", author="di", reason="enough")
    revisions = (await client.list_experiment_revisions("x")).revisions
    assert [(one.revision, one.author, one.reason, one.restored_revision) for one in revisions] == [
        (4, "di", "enough", 0), (3, "cy", "more after all", 1), (2, "bob", "less", 0), (1, "ada", "first", 0),
    ]  # fmt: skip
    assert [one.experiment.traffic_bp for one in revisions] == [10_000, 10_000, 10, 10_000]
    assert [one.revision for one in (await client.list_experiment_revisions(limit=1)).revisions] == [4]
    assert (await client.get_experiment("x")).status.stage == ExperimentStage.EXPERIMENT_STAGE_ENDED


async def test_each_refusal_has_its_status_its_reason_and_its_field(client, store):
    await client.put_experiment(an_experiment("taken", traffic_bp=9_000), **WHO)
    wide = {"variants": [Variant(name="a", share_bp=1), Variant(name="b", share_bp=9_999, max_price_ratio=3.0)]}
    short = {"variants": [Variant(name="a", share_bp=5_000), Variant(name="b", share_bp=4_999, candidates=5)]}
    bad_ratio = {"variants": [Variant(name="a", share_bp=5_000), Variant(name="b", share_bp=5_000, max_price_ratio=0)]}
    unknown = {"variants": [Variant(name="a", share_bp=5_000), Variant(name="b", share_bp=5_000, encoder_id="enc-0")]}
    refusals = [
        (an_experiment(**short), {}, InvalidArgumentError, "EXPERIMENT_INVALID", "experiment.variants"),
        (an_experiment(**bad_ratio), {}, InvalidArgumentError, "EXPERIMENT_INVALID",
         "experiment.variants[1].max_price_ratio"),
        (an_experiment("X"), {}, InvalidArgumentError, "EXPERIMENT_INVALID", "experiment.name"),
        (an_experiment(end=datetime(2020, 1, 1, tzinfo=UTC)), {}, InvalidArgumentError, "EXPERIMENT_INVALID",
         "experiment.end"),
        (an_experiment(traffic_bp=1_001), {}, FailedPreconditionError, "EXPERIMENT_LAYER_FULL",
         "experiment.traffic_bp"),
        (an_experiment(layer="b", **wide), {}, FailedPreconditionError, "EXPERIMENT_PARAMETER_TAKEN",
         "experiment.layer"),
        (an_experiment(salt="taken"), {}, FailedPreconditionError, "EXPERIMENT_SALT_TAKEN", "experiment.salt"),
        (an_experiment("taken", **wide), {}, FailedPreconditionError, "EXPERIMENT_STARTED", "experiment.variants"),
        (an_experiment(layer="b", **unknown), {}, FailedPreconditionError, "ENCODER_UNKNOWN",
         "experiment.variants[1].encoder_id"),
        (an_experiment("taken"), {"expected_revision": 0}, AlreadyExistsError, "EXPERIMENT_EXISTS", "experiment.name"),
        (an_experiment("taken"), {"expected_revision": 7}, AbortedError, "EXPERIMENT_CHANGED", ""),
        (an_experiment(), {"author": ""}, InvalidArgumentError, "EXPERIMENT_CHANGE_UNEXPLAINED", "author"),
    ]  # fmt: skip
    for experiment, options, error, reason, field in refusals:
        with pytest.raises(error) as caught:
            await client.put_experiment(experiment, **WHO | options)
        assert (caught.value.reason, caught.value.field) == (reason, field), caught.value
    with pytest.raises(NotFoundError) as missing:
        await client.get_experiment("nobody")
    assert missing.value.reason == "EXPERIMENT_NOT_FOUND"
    assert [one.revision.experiment.name for one in (await client.list_experiments()).experiments] == ["taken"]


async def test_checking_alone_refuses_the_same_and_writes_nothing(client):
    checked = await client.put_experiment(an_experiment(), validate_only=True, **WHO)
    assert (checked.changed, checked.status.revision.revision) == (False, 0)
    with pytest.raises(InvalidArgumentError):
        await client.put_experiment(an_experiment(variants=[]), validate_only=True, **WHO)
    assert not (await client.list_experiments()).experiments


async def test_while_experiments_come_and_go_no_request_fails(client, asked):
    """Requests go on while experiments of encoders and ranking are put, grown, stopped and rolled back."""
    answers = Counter()
    stop = asyncio.Event()

    async def ask_on() -> None:
        for number in range(1_000_000):
            if stop.is_set():
                return
            answer = await client.similar_items(item_id=asked, unit_id=UNITS[number % len(UNITS)])
            answers[tuple(one.variant for one in answer.variants)] += 1
            assert len(answer.items) > 0

    asking = asyncio.create_task(ask_on())
    for traffic_bp in (1_000, 5_000, 10_000):
        await client.put_experiment(of_encoders(traffic_bp=traffic_bp), **WHO)
        await client.put_experiment(an_experiment(layer="bands", traffic_bp=traffic_bp), **WHO)
        await asyncio.sleep(0.05)
    for name, revision in (("encoders", 5), ("x", 6)):
        await client.roll_back_experiment(name, from_revision=revision, **WHO)
        await asyncio.sleep(0.05)
        await client.stop_experiment(name, **WHO)
    await asyncio.sleep(0.05)
    stop.set()
    await asking
    assert {(), ("other", "wide"), ("control", "control")} <= {tuple(sorted(key)) for key in answers}
