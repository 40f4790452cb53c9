"""While the store is away experiments go on as they were known, say so, and are caught up with when it is back."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY
from ruiji_client import AsyncRuijiClient, ClientSettings, UnavailableError
from ruiji_experiments.definition.model import Experiment as ModelExperiment
from ruiji_experiments.definition.model import Settings
from ruiji_experiments.definition.model import Variant as ModelVariant
from ruiji_server.domain.items import ItemState
from ruiji_server.generations.builder import BuildSettings
from ruiji_server.services.server import Server, ServerSettings
from ruiji_server.store.engine import open_database
from ruiji_server.store.experiment_changes import Change, put_experiment, stop_experiment
from ruiji_server.store.experiments import newest_revision

from tests.support.catalogues import Catalogue, build, fill_store
from tests.support.experiments import UNITS, WHO, an_experiment
from tests.support.postgresql import PostgresqlServer, run_postgresql
from tests.support.services import eventually, serving


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server that tests may stop."""
    with run_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def catalogue(postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    folder = tmp_path_factory.mktemp("catalogue")
    store = fill_store(folder, 60, url=postgresql.create_database())
    directory, _ = build(store, folder / "generations", BuildSettings(recall_sample=20))
    yield store, directory
    store.database.close()


async def health_of(server: Server) -> int:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=""))
        return int(answer.status)


def change_elsewhere(url: str) -> None:
    """Do what another server would: stop one experiment and put another."""
    database, change = open_database(url), Change("bob", "elsewhere", datetime.now(UTC))
    stop_experiment(database, "lasting", change)
    variants = (ModelVariant("control", 5_000), ModelVariant("wide", 5_000, Settings(max_price_ratio=math.inf)))
    another = ModelExperiment("another", variants, change.at, layer="another")
    put_experiment(database, "another", lambda _before: another, change, ())
    database.close()


def revision_in_force() -> float | None:
    return REGISTRY.get_sample_value("ruiji_experiment_revision")


async def test_experiments_go_on_while_the_store_is_away_and_are_caught_up_with_afterwards(
    postgresql, catalogue, tmp_path: Path, caplog
):
    caplog.set_level(logging.INFO)
    store, directory = catalogue
    asked = next(item.item_id for item in store.items if item.state == ItemState.ON_SALE)
    settings = ServerSettings("127.0.0.1:0", generation_poll_s=0.05, drain_s=0.0, unit_key=tmp_path / "unit.key")
    async with (
        serving(store.database, directory, settings) as server,
        AsyncRuijiClient(ClientSettings(f"127.0.0.1:{server.port}", retries=None)) as client,
    ):

        async def variants() -> list[dict[str, str]]:
            answers = [await client.similar_items(item_id=asked, unit_id=unit_id) for unit_id in UNITS]
            return [{one.experiment: one.variant for one in answer.variants} for answer in answers]

        now = datetime.now(UTC)
        await client.put_experiment(an_experiment("lasting", traffic_bp=5_000), **WHO)
        await client.put_experiment(an_experiment("short", traffic_bp=5_000, end=now + timedelta(seconds=8)), **WHO)
        both = await variants()
        assert {name for one in both for name in one} == {"lasting", "short"}
        assert revision_in_force() == 2

        postgresql.kill()

        async def says_so() -> bool:
            return "changes of experiments wait" in caplog.text

        async def short_has_ended() -> bool:
            return not any("short" in one for one in await variants())

        await eventually(says_so)
        # What was planned happens all the same; nobody moves, no answer fails, and no health check does either.
        await eventually(short_has_ended)
        only_lasting = [{name: variant for name, variant in one.items() if name == "lasting"} for one in both]
        assert await variants() == only_lasting
        assert revision_in_force() == 2
        assert await health_of(server) == health_pb2.HealthCheckResponse.SERVING
        for refused in (
            client.put_experiment(an_experiment("another", layer="another"), **WHO),
            client.stop_experiment("lasting", **WHO),
            client.list_experiments(),
        ):
            with pytest.raises(UnavailableError) as caught:
                await refused
            assert caught.value.reason == "STORE_UNAVAILABLE"
        assert await variants() == only_lasting, "what was refused is not in force"

        postgresql.start()
        await asyncio.to_thread(change_elsewhere, store.url)

        async def has_caught_up() -> bool:
            return all(set(one) == {"another"} for one in await variants())

        newest = await asyncio.to_thread(newest_revision, store.database)
        assert newest > 2

        async def newest_is_in_force() -> bool:
            # The look before may have found both changes already, and have called them by the number of the first.
            return revision_in_force() == newest

        await eventually(has_caught_up)
        await eventually(newest_is_in_force)
        assert f"experiments up to revision {newest} are in force" in caplog.text
        assert caplog.text.count("changes of experiments wait") == 1, "an outage is told of once"
        assert (await client.stop_experiment("another", **WHO)).changed
