"""The loop closes: people see pages and tap; in the morning one command says which encoder would have served better."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pytest
from ruiji_client import AsyncRuijiClient, ClientSettings, impression_event, tap_event
from ruiji_evaluation.logs.partitions import read_partitions
from ruiji_events.compaction import compact
from ruiji_events.storage import EventFolder
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.events.settings import EventSettings
from ruiji_server.services.server import Server, ServerSettings
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask

from tests.support.catalogues import DIMENSIONS, ENCODER_ID, FilledStore, build, clustered_vectors, fill_store

NOW = datetime.now(UTC)
DAY = NOW.date() - timedelta(days=2)
"""Two days ago, so that taps of the night after it are not in the future, whatever time it is."""
EVENING = datetime.combine(DAY, time(20), UTC)
TASTE_ID = "enc-fedcba9876543210"
"""Of an encoder that sees things as people do."""
REQUESTS = 80


def add_second_encoder(store: FilledStore) -> dict[str, np.ndarray]:
    """Register another encoder, embed everything by it, return its vectors."""
    vectors = dict(
        zip((item.item_id for item in store.items), clustered_vectors(len(store.items), seed=9), strict=True)
    )
    tasks = EmbeddingTaskStore(store.database, TASTE_ID)
    tasks.register_encoder("taste", DIMENSIONS)
    while claimed := tasks.claim(500, lease_s=60.0):
        tasks.finish([FinishedTask(task.item_id, task.picture_sha256, vectors[task.item_id]) for task in claimed])
    return vectors


async def live_a_day(data: Path, store: FilledStore, taste: dict[str, np.ndarray]) -> None:
    """Serve, show and tap: people tap what `taste` finds most similar, among the eight items that they see."""
    generations, _ = build(store, data / "generations")
    settings = ServerSettings(
        address="127.0.0.1:0",
        drain_s=0.0,
        events=EventSettings(data / "events" / "journal", impression_share=1.0),
        unit_key=data / "unit.key",
    )
    async with (
        Server(settings, store.database, generations, PictureSource(None), None) as server,
        AsyncRuijiClient(ClientSettings(f"127.0.0.1:{server.port}")) as client,
    ):
        for number in range(REQUESTS):
            query, unit, at = f"item-{number:05}", f"user-{number % 20}", EVENING + timedelta(minutes=number)
            page = await client.similar_items(item_id=query, page_size=12, unit_id=unit, max_price_ratio=100.0)
            seen = [item.item_id for item in page.items[:8]]
            liked = max(seen, key=lambda item_id: float(taste[item_id] @ taste[query]))
            events = [impression_event(page, query_item_id=query, unit_id=unit, last=8, time=at)]
            # Some look and tap nothing.
            if number % 4:
                events.append(tap_event(page.request_id, liked, unit_id=unit, time=at + timedelta(hours=5)))
            await client.record_events(events)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("data")
    return folder


@pytest.fixture
async def lived(data: Path):
    """A store after a day with two encoders, one of which answered."""
    if not (data / "events").exists():
        store = fill_store(data, 300)
        await live_a_day(data, store, add_second_encoder(store))
        store.database.close()
        compact(EventFolder(str(data / "events")), data / "events" / "journal")
    return data


async def test_yesterdays_log_gives_the_papers_table_for_every_registered_encoder(lived, ruiji, tmp_path, monkeypatch):
    monkeypatch.setattr("ruiji_cli.days.today", lambda: DAY + timedelta(days=1))
    ran = ruiji("eval", "events", "--data", lived, "--day", "yesterday", "--out", tmp_path, "--min-slice", "10")
    assert ran.exit_code == 0, ran.output
    for heading in ("nDCG@5", "P@1", "P@3", "R@10", "RR", "formula", "taste", "as shown"):
        assert heading in ran.output
    results = json.loads((tmp_path / "results.json").read_text())
    comparison = results["comparison"]
    ndcg, first = comparison["measures"].index("nDCG@5"), comparison["measures"].index("P@1")
    means = {name: [figure["mean"] for figure in figures] for name, figures in comparison["figures"].items()}
    assert (means["taste"][ndcg], means["taste"][first]) == (1.0, 1.0), "it orders by what people tap"
    assert means["formula"][ndcg] < 0.9
    assert comparison["baseline"] == "formula", "the promoted encoder"
    assert (comparison["queries"], comparison["units"]) == (REQUESTS * 3 // 4, 15)
    assert results["left_out"] == {"request: nothing was tapped": REQUESTS // 4}
    # Pictures come from the store.
    assert "data:image/jpeg" in (tmp_path / "wins-and-losses-taste.html").read_text()


async def test_what_was_seen_counts_and_not_what_was_answered(lived):
    """The server logged twelve items of each page, today; people saw eight of them, before."""
    logged = read_partitions(EventFolder(str(lived / "events")), DAY, DAY)
    assert len(logged.requests) == REQUESTS
    assert {len(request.shown) for request in logged.requests} == {8}
    assert {request.encoder_id for request in logged.requests} == {ENCODER_ID}
    assert sum(len(request.taps) for request in logged.requests) == REQUESTS * 3 // 4


async def test_the_servers_own_log_will_do_where_clients_log_no_impressions(lived):
    days = {NOW.date(), datetime.now(UTC).date()}
    logged = read_partitions(EventFolder(str(lived / "events")), min(days), max(days))
    assert {len(request.shown) for request in logged.requests} == {12}


async def test_a_day_without_a_log_says_what_to_do(lived, explained):
    said = explained("eval", "events", "--data", lived, "--day", "2026-01-01")
    assert "no impression of 2026-01-01" in said
    assert "ruiji events compact" in said


async def test_a_day_that_is_none_is_named(lived, explained):
    assert "'tuesday' is neither" in explained("eval", "events", "--data", lived, "--day", "tuesday")


async def test_a_log_of_another_catalogue_is_refused(lived, explained, tmp_path):
    other = fill_store(tmp_path, 10)
    CatalogueStore(other.database).delete([item.item_id for item in other.items])
    other.database.close()
    said = explained("eval", "events", "--data", lived, "--store", other.url, "--day", DAY)
    assert "are not in the store" in said
