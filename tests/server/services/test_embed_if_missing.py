"""A query for an item that no worker has reached: embedded on the spot where the caller asks for it, on real Triton."""

from __future__ import annotations

import asyncio
import math

import pytest
from ruiji_client import FailedPreconditionError, NotFoundError, UnavailableError
from ruiji_server.domain.errors import Overloaded
from ruiji_server.domain.items import PictureContent, PictureUri
from ruiji_server.embedding.on_demand import OnDemandEmbedder, OnDemandSettings
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.embedding.triton import TritonClient
from ruiji_server.embedding.worker import EmbeddingWorker, WorkerSettings
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import Backlog, EmbeddingTaskStore

from tests.support.catalogues import SilentBuild, an_item, png
from tests.support.services import served

pytestmark = pytest.mark.triton


@pytest.fixture
async def installation(database, tiny_manifest, triton_url, tmp_path):
    """A client of a server whose generation holds 40 items, and the tasks of its encoder."""
    store, tasks = CatalogueStore(database), EmbeddingTaskStore(database, tiny_manifest.encoder_id)
    tasks.register_encoder("tiny", 128)
    colours = [(n * 6, 255 - n * 6, 40) for n in range(40)]
    store.upsert("1", "", [an_item(f"item-{n}", picture=PictureContent(png(c))) for n, c in enumerate(colours)])
    async with TritonClient(triton_url) as triton:
        await EmbeddingWorker(tasks, triton, PictureSource(), WorkerSettings(poll_s=0.05)).run_until_idle()
    generations = GenerationDirectory(tmp_path / "generations")
    build_generation(database, tasks.encoder_id, generations, BuildSettings(recall_sample=20), SilentBuild())
    async with served(database, generations, triton_url=triton_url, pictures=PictureSource(tmp_path)) as client:
        yield client, store, tasks


async def test_a_new_item_is_answered_for_at_once_and_stays_embedded(installation):
    client, store, tasks = installation
    store.upsert("2", "", [an_item("new", picture=PictureContent(png((60, 195, 40))))])
    with pytest.raises(FailedPreconditionError):
        await client.similar_items(item_id="new")
    page = await client.similar_items(
        item_id="new", embed_if_missing=True, explain=True, max_price_ratio=math.inf, page_size=3
    )
    assert page.items[0].item_id == "item-10", "whose picture is the same"
    assert page.explanation.embed_us > 0
    assert tasks.backlog() == Backlog(waiting=0, parked=0)
    assert (await client.similar_items(item_id="new")).items, "without asking for it again"


async def test_what_cannot_be_embedded_is_told_apart(installation, tmp_path):
    client, store, _ = installation
    items = {
        "broken": PictureContent(png((1, 2, 3), (300, 300))[:200]),
        "missing": PictureUri((tmp_path / "missing.png").as_uri()),
        "elsewhere": PictureUri("file:///elsewhere.png"),
    }
    store.upsert("2", "", [an_item(item_id, picture=picture) for item_id, picture in items.items()])
    for item_id, kind, reason in (
        ("broken", FailedPreconditionError, "EMBEDDING_FAILED"),
        ("missing", UnavailableError, "PICTURE_UNREACHABLE"),
        ("elsewhere", FailedPreconditionError, "EMBEDDING_PENDING"),
        ("nobody", NotFoundError, "ITEM_NOT_FOUND"),
    ):
        with pytest.raises(kind) as caught:
            await client.similar_items(item_id=item_id, embed_if_missing=True)
        assert caught.value.reason == reason, item_id


async def test_callers_of_one_item_share_one_try_which_outlives_them(database, tiny_manifest, triton_url):
    store, tasks = CatalogueStore(database), EmbeddingTaskStore(database, tiny_manifest.encoder_id)
    tasks.register_encoder("tiny", 128)
    store.upsert("1", "", [an_item("a"), an_item("b")])
    async with TritonClient(triton_url) as triton:
        embedder = OnDemandEmbedder(database, triton, PictureSource(), OnDemandSettings(under_way=1))
        impatient = [asyncio.create_task(embedder.embed(tasks.encoder_id, "a")) for _ in range(5)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await embedder.embed(tasks.encoder_id, "b")
        impatient[0].cancel()
        vectors = await asyncio.gather(*impatient[1:])
    assert all((vector == vectors[0]).all() for vector in vectors)
    assert (tasks.vector("a") == vectors[0]).all()


async def test_without_triton_it_is_unavailable(database, tiny_manifest):
    from ruiji_server.domain.errors import Unavailable

    with pytest.raises(Unavailable, match="--triton-url"):
        await OnDemandEmbedder(database, None, PictureSource()).embed(tiny_manifest.encoder_id, "a")
