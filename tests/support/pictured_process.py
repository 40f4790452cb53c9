"""A server over a small rendered catalogue: `python -m tests.support.pictured_process FOLDER`.

Prints its port, then serves until its standard input ends. Two encoders serve, without Triton: one sees a thumbnail's
shapes and colours, the other only its colours, so that pages mean something and differ. Of the rest of the catalogue
some items wait for a worker and one was given up.
"""

from __future__ import annotations

import asyncio
import csv
import io
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from ruiji_demo.catalogue import render_catalogue
from ruiji_server.domain.errors import Reason
from ruiji_server.domain.items import Item, ItemState, PictureContent, PictureUri, Price
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.generations.builder import BuildSettings, build_generation
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.services.server import Server, ServerSettings
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FailedTask, FinishedTask
from ruiji_server.store.engine import Database, open_database

from tests.support.catalogues import DIMENSIONS, SilentBuild

RENDERED = 60
SHAPES, COLOURS = "enc-000000000000005a", "enc-00000000000000c0"
ELSEWHERE = "https://pictures.example.com/elsewhere.jpg"
HOSTILE_ID = "<b>&\"'/?#"
HOSTILE_TITLE = "<img src=x onerror=alert(1)> & \"quotes\""  # fmt: skip


def rendered_items(folder: Path) -> list[Item]:
    table = render_catalogue(folder, RENDERED, seed=7, processes=1)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Item(
            row["id"],
            row["title"],
            Price(int(row["price"]), row["currency"]),
            tuple(row["category_path"].split(" > ")),
            ItemState.SOLD if row["state"] == "sold" else ItemState.ON_SALE,
            PictureContent((folder / row["image"]).read_bytes()),
        )
        for row in rows
    ]


def further_items(like: Item) -> list[Item]:
    """Return what a console has to cope with: a hostile title, a picture elsewhere, one that is given up."""
    return [
        Item(HOSTILE_ID, HOSTILE_TITLE, like.price, like.category_path, picture=like.picture),
        Item("elsewhere-1", "Picture elsewhere", like.price, like.category_path, picture=PictureUri(ELSEWHERE)),
        Item("given-up-1", "Given up", like.price, like.category_path, picture=PictureContent(b"\xff\xd8\xff broken")),
        Item("waiting-1", "Waiting for a worker", like.price, like.category_path, picture=like.picture),
    ]


def shapes(content: bytes) -> NDArray[np.float32]:
    """Return a unit vector of a thumbnail, by a fixed random projection to 128 dimensions."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((16, 16)), dtype=np.float32) / 255 - 0.5
    projection = np.random.default_rng(5).standard_normal((pixels.size, DIMENSIONS))
    return unit(pixels.reshape(-1) @ projection)


def colours(content: bytes) -> NDArray[np.float32]:
    """Return a unit vector of how often each of 125 colours comes up in the middle of a picture."""
    picture = Image.open(io.BytesIO(content)).convert("RGB").resize((32, 32)).crop((8, 8, 24, 24))
    bins = np.minimum(np.asarray(picture).reshape(-1, 3) // 52, 4) @ np.array([25, 5, 1])
    return unit(np.bincount(bins, minlength=DIMENSIONS).astype(np.float64) + 0.01)


def unit(vector: NDArray[np.float64]) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def fill(folder: Path) -> tuple[Database, GenerationDirectory]:
    """Make the store and a generation of each encoder."""
    database = open_database(f"sqlite:///{folder / 'store.sqlite'}", create=True)
    items = rendered_items(folder / "catalogue")
    items += further_items(items[0])
    CatalogueStore(database).upsert("fill", "0" * 64, items)
    content = {item.item_id: item.picture.content for item in items if isinstance(item.picture, PictureContent)}
    directory = GenerationDirectory(folder / "generations")
    for encoder_id, name, embed in ((SHAPES, "shapes", shapes), (COLOURS, "colours", colours)):
        tasks = EmbeddingTaskStore(database, encoder_id)
        tasks.register_encoder(name, DIMENSIONS)
        done, left = [], []
        for task in tasks.claim(500, lease_s=3_600.0):
            (left if task.item_id in {"given-up-1", "waiting-1", "elsewhere-1"} else done).append(task)
        tasks.finish([FinishedTask(task.item_id, task.picture_sha256, embed(content[task.item_id])) for task in done])
        [broken] = [task for task in left if task.item_id == "given-up-1"]
        tasks.fail(
            [FailedTask(broken.item_id, broken.picture_sha256, Reason.PICTURE_UNREADABLE, "it cannot be decoded", None)]
        )
        build_generation(database, encoder_id, directory, BuildSettings(recall_sample=50), SilentBuild())
    return database, directory


async def serve(folder: Path) -> None:
    database, directory = fill(folder)
    settings = ServerSettings(address="127.0.0.1:0", drain_s=0.0, grace_s=0.0)
    async with Server(settings, database, directory, PictureSource(None), None) as server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
