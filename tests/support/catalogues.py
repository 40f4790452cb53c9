"""Catalogues in a real store, with embeddings that come from a formula instead of an encoder."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from ruiji_server.domain.items import Item, ItemState, PictureContent, Price
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.manifest import GenerationManifest
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.encoders import register_encoder
from ruiji_server.store.engine import Database, open_database

ENCODER_ID = "enc-0123456789abcdef"
OTHER_ENCODER_ID = "enc-ffffffffffffffff"
DIMENSIONS = 128
CATEGORIES = tuple(
    (root, branch, f"{branch}-{leaf}")
    for root, branches in (("Fashion", ("Shoes", "Bags", "Shirts")), ("Home", ("Lamps", "Chairs")))
    for branch in branches
    for leaf in range(3)
)


class SilentBuild:
    """Build progress for nobody."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        yield lambda _steps: None


@dataclass(frozen=True)
class FilledStore:
    """A store whose items are all embedded."""

    url: str
    database: Database
    items: Sequence[Item]
    vectors: NDArray[np.float32]
    """By position in `items`."""


def png(colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (32, 24)) -> bytes:
    """Return a one-coloured picture file."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def an_item(item_id: str = "a", **changes: object) -> Item:
    """Return a valid item; keywords replace its fields."""
    fields: dict[str, object] = {
        "title": "Red shoe",
        "price": Price(1_000, "JPY"),
        "category_path": ("Fashion", "Shoes"),
        "picture": PictureContent(png()),
    }
    return Item(item_id, **{**fields, **changes})  # type: ignore[arg-type]  # keywords are checked by the constructor


def clustered_vectors(count: int, seed: int = 0, clusters: int = 40) -> NDArray[np.float32]:
    """Return unit vectors around a few centres, shape (count, 128), as a catalogue's embeddings are."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((clusters, DIMENSIONS))
    vectors = centres[rng.integers(0, clusters, count)] + 0.9 * rng.standard_normal((count, DIMENSIONS))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def catalogue_items(count: int, seed: int = 0) -> list[Item]:
    """Return items with log-normal prices in two currencies; one in twenty is sold."""
    rng = np.random.default_rng(seed)
    picture = png()
    return [
        Item(
            item_id=f"item-{number:05d}",
            title=f"Item {number}",
            price=Price(max(1, int(rng.lognormal(8.0, 1.0))), "JPY" if rng.random() < 0.9 else "USD"),
            category_path=CATEGORIES[rng.integers(len(CATEGORIES))],
            state=ItemState.SOLD if rng.random() < 0.05 else ItemState.ON_SALE,
            picture=PictureContent(picture + number.to_bytes(4, "big")),
        )
        for number in range(count)
    ]


def fill_store(folder: Path, count: int, seed: int = 0, url: str | None = None) -> FilledStore:
    """Make a store of `count` items, all embedded by `ENCODER_ID`; in SQLite in the folder unless a URL is given."""
    url = url or f"sqlite:///{folder / 'store.sqlite'}"
    database = open_database(url, create=True)
    items, vectors = catalogue_items(count, seed), clustered_vectors(count, seed)
    store = CatalogueStore(database)
    for start in range(0, count, 500):
        store.upsert(f"fill-{start}", "0" * 64, items[start : start + 500])
    embed_all(database, dict(zip((item.item_id for item in items), vectors, strict=True)))
    return FilledStore(url, database, items, vectors)


def embed_all(database: Database, vectors: dict[str, NDArray[np.float32]]) -> None:
    """Store the given embedding for every waiting task."""
    register_encoder(database, ENCODER_ID, "formula", DIMENSIONS)
    embed_waiting(database, ENCODER_ID, vectors.__getitem__)


def embed_waiting(database: Database, encoder_id: str, vector_of: Callable[[str], NDArray[np.float32]]) -> None:
    """Store an embedding, by item id, for every task that waits for an encoder."""
    tasks = EmbeddingTaskStore(database, encoder_id)
    while claimed := tasks.claim(500, lease_s=60.0):
        tasks.finish([FinishedTask(task.item_id, task.picture_sha256, vector_of(task.item_id)) for task in claimed])


def build(
    store: FilledStore, root: Path, settings: BuildSettings | None = None
) -> tuple[GenerationDirectory, GenerationManifest]:
    """Build and publish a generation of the store."""
    directory = GenerationDirectory(root)
    settings = settings or BuildSettings(recall_sample=100)
    return directory, build_generation(store.database, ENCODER_ID, directory, settings, SilentBuild())


def build_other(store: FilledStore, directory: GenerationDirectory) -> str:
    """Build and publish a generation of `OTHER_ENCODER_ID`; return its id."""
    settings = BuildSettings(recall_sample=50)
    return build_generation(store.database, OTHER_ENCODER_ID, directory, settings, SilentBuild()).generation_id


Catalogue = tuple[FilledStore, GenerationDirectory]


@contextmanager
def catalogue_of_two_encoders(folder: Path, count: int = 120) -> Iterator[Catalogue]:
    """Yield a store whose items `OTHER_ENCODER_ID` has embedded too, with a generation of each encoder."""
    store = fill_store(folder, count)
    register_encoder(store.database, OTHER_ENCODER_ID, "other", DIMENSIONS)
    vectors = dict(zip((item.item_id for item in store.items), clustered_vectors(count, seed=7), strict=True))
    embed_waiting(store.database, OTHER_ENCODER_ID, vectors.__getitem__)
    directory, _ = build(store, folder / "generations", BuildSettings(recall_sample=50))
    build_other(store, directory)
    yield store, directory
    store.database.close()
