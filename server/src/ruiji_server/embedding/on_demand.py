"""Embedding an item that a query is about and no worker has reached yet."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from ruiji_encoding.pictures import PictureError, decode_picture

from ruiji_server.domain.errors import ItemNotFound, NotReady, Overloaded, Reason, Unavailable
from ruiji_server.domain.items import Picture
from ruiji_server.embedding.picture_source import PictureRefused, PictureSource, PictureUnreachable
from ruiji_server.embedding.unit_vectors import is_unit
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore, FinishedTask
from ruiji_server.store.engine import Database

if TYPE_CHECKING:
    from ruiji_server.embedding.triton import TritonClient

_LOG = logging.getLogger(__name__)

_OWN_LIMITS: Final = frozenset({Reason.PICTURE_URI_INVALID, Reason.PICTURE_ADDRESS_REFUSED})
"""Refusals by what this server may read; a worker that may read more can still embed the item."""


@dataclass(frozen=True, slots=True)
class OnDemandSettings:
    """Bounds of embedding for queries."""

    at_once: int = 4
    """Pictures in memory at once, up to 20 MB each and what decoding them takes."""
    under_way: int = 64
    """Items being embedded or waiting for it; more are refused."""
    limit_s: float = 30.0
    """Longest time for an item, whatever time its callers have."""


class OnDemandEmbedder:
    """Embeds items now instead of when a worker gets to them. Use within one event loop.

    Callers who ask for the same item share one try, which goes on when they leave: its embedding is stored, so that
    the next call finds it. A worker may embed the same item at the same time; both store the same.
    """

    def __init__(
        self,
        database: Database,
        triton: TritonClient | None,
        pictures: PictureSource,
        settings: OnDemandSettings | None = None,
    ) -> None:
        """Prepare.

        Args:
            database: the item store.
            triton: embeds; None refuses everything.
            pictures: where pictures are read.
            settings: the bounds.
        """
        self._database = database
        self._triton = triton
        self._pictures = pictures
        self._settings = settings or OnDemandSettings()
        self._slots = asyncio.Semaphore(self._settings.at_once)
        self._tries: dict[tuple[str, str], asyncio.Task[NDArray[np.float32]]] = {}

    async def embed(self, encoder_id: str, item_id: str) -> NDArray[np.float32]:
        """Return the embedding of an item's present picture, shape (dimensions,), unit length.

        Cancelling the call, as the end of a caller's deadline does, ends the wait and not the try.

        Raises:
            ItemNotFound: there is no such item.
            NotReady: its picture cannot be embedded, at least not by this server.
            Overloaded: too many items are being embedded for queries.
            Unavailable: the picture or Triton cannot be reached now, or it took too long.
        """
        key = (encoder_id, item_id)
        attempt = self._tries.get(key)
        if attempt is None:
            if self._triton is None:
                raise Unavailable(
                    Reason.ENCODER_UNAVAILABLE,
                    "this server was started without --triton-url and embeds nothing; leave out embed_if_missing",
                )
            if len(self._tries) >= self._settings.under_way:
                raise Overloaded(
                    Reason.EMBEDDINGS_UNDER_WAY,
                    f"{len(self._tries)} items are being embedded for queries already; workers will reach this one too",
                )
            attempt = asyncio.create_task(self._embed(self._triton, encoder_id, item_id))
            self._tries[key] = attempt
            attempt.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(attempt)

    def _forget(self, key: tuple[str, str], attempt: asyncio.Task[NDArray[np.float32]]) -> None:
        del self._tries[key]
        if not attempt.cancelled() and (failure := attempt.exception()) is not None:
            # Every caller may have left; then nobody else hears of it.
            _LOG.debug("item %r was not embedded for a query: %s", key[1], failure)

    async def _embed(self, triton: TritonClient, encoder_id: str, item_id: str) -> NDArray[np.float32]:
        limit_s = self._settings.limit_s
        try:
            async with asyncio.timeout(limit_s), self._slots:
                stored = await asyncio.to_thread(CatalogueStore(self._database).get, item_id, include_picture=True)
                if stored is None or stored.item.picture is None:
                    raise ItemNotFound(item_id)
                pixels = await self._pixels(item_id, stored.item.picture)
                vectors = await triton.embed(encoder_id, pixels[None])
        except TimeoutError as error:
            raise Unavailable(
                Reason.EMBEDDING_PENDING, f"item {item_id!r} could not be embedded within {limit_s:g} s; try again"
            ) from error
        vector: NDArray[np.float32] = vectors[0]
        if not is_unit(vector):
            raise _hopeless(item_id, Reason.EMBEDDING_NOT_FINITE, "the encoder gave no unit vector for it")
        await self._keep(encoder_id, FinishedTask(item_id, stored.picture_sha256, vector))
        return vector

    async def _pixels(self, item_id: str, picture: Picture) -> NDArray[np.uint8]:
        try:
            return await asyncio.to_thread(decode_picture, await self._pictures.read(picture))
        except PictureError as error:
            raise _hopeless(item_id, Reason(error.fault), str(error)) from error
        except PictureRefused as error:
            if error.reason not in _OWN_LIMITS:
                raise _hopeless(item_id, error.reason, error.message) from error
            raise NotReady(
                Reason.EMBEDDING_PENDING,
                f"item {item_id!r} is not embedded yet, and this server may not read its picture: {error.message}",
                field="item_id",
            ) from error
        except PictureUnreachable as error:
            raise Unavailable(
                error.reason, f"the picture of item {item_id!r} cannot be read now: {error.message}", field="item_id"
            ) from error

    async def _keep(self, encoder_id: str, finished: FinishedTask) -> None:
        """Store the embedding, unless a newer picture has come; the answer does not depend on it."""
        try:
            await asyncio.to_thread(EmbeddingTaskStore(self._database, encoder_id).finish, [finished])
        except (Unavailable, Overloaded) as error:
            _LOG.warning("the embedding of item %r is not kept: %s", finished.item_id, error.message)


def _hopeless(item_id: str, reason: Reason, message: str) -> NotReady:
    return NotReady(
        Reason.EMBEDDING_FAILED,
        f"item {item_id!r} cannot be embedded ({reason}: {message}); send another picture",
        field="item_id",
    )
