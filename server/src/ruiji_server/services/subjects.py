"""What a query is about, whichever way it came: an embedding, with a price and a category."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

import numpy as np
from numpy.typing import NDArray
from ruiji.v1 import recommendation_pb2
from ruiji_encoding.pictures import PictureError, decode_picture

from ruiji_server.columns.live import LiveColumns
from ruiji_server.domain.errors import InvalidArgument, ItemNotFound, NotReady, Reason, Unavailable
from ruiji_server.domain.items import Price, check_item_id
from ruiji_server.embedding.on_demand import OnDemandEmbedder
from ruiji_server.embedding.picture_source import PictureSource
from ruiji_server.embedding.unit_vectors import is_unit
from ruiji_server.services.failures import Context
from ruiji_server.services.messages import context_from, embedding_from, picture_fault
from ruiji_server.services.serving import Serving
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_tasks import EmbeddingTaskStore
from ruiji_server.store.engine import Database

if TYPE_CHECKING:
    from ruiji_server.embedding.triton import TritonClient


@dataclass(slots=True)
class Subject:
    """What is looked for."""

    vector: NDArray[np.float32]
    """Embedding, shape (dimensions,), float32, unit length."""
    price: Price | None
    category_path: tuple[str, ...] | None
    """Root to leaf."""
    row: int | None = None
    """Its own, if it is an item that is served."""
    embed_us: int = 0
    """Time spent embedding it, in microseconds."""


class Subjects:
    """Finds what queries are about."""

    def __init__(self, database: Database, triton: TritonClient | None, pictures: PictureSource) -> None:
        """Prepare.

        Args:
            database: where items are looked up that the generation lacks.
            triton: embeds query pictures; None refuses them.
            pictures: where the pictures of items are read that are embedded for a query.
        """
        self._database = database
        self._store = CatalogueStore(database)
        self._triton = triton
        self._on_demand = OnDemandEmbedder(database, triton, pictures)

    async def find(
        self, request: recommendation_pb2.SimilarItemsRequest, serving: Serving, context: Context
    ) -> Subject:
        """Return what a request is about, as the encoder that serves it sees it."""
        match request.WhichOneof("query"):
            case "item_id":
                return await self.find_item(request.item_id, serving, embed=request.embed_if_missing)
            case "picture":
                return await self._picture_subject(request.picture, serving, context)
            case "embedding":
                return _embedding_subject(request.embedding, serving)
            case None:
                raise InvalidArgument(
                    Reason.QUERY_MISSING, "a query needs an item_id, a picture or an embedding", field="query"
                )
            case unknown:
                assert_never(unknown)

    async def find_item(self, item_id: str, serving: Serving, *, embed: bool = False) -> Subject:
        """Return an item as a query; `embed` makes its embedding if there is none."""
        live = serving.live
        row = live.row_of(item_id)
        if row is None:
            check_item_id(item_id)
            encoder_id = serving.generation.manifest.encoder_id
            try:
                stored = await asyncio.to_thread(self._stored_subject, item_id, encoder_id)
            except NotReady as error:
                if not embed or error.reason != Reason.EMBEDDING_PENDING:
                    raise
                stored = await self._embedded_subject(item_id, encoder_id)
            # Its change may have come in meanwhile, and then it must not be recommended to itself.
            return replace(stored, row=live.row_of(item_id))
        return _subject_of_row(live, row)

    def _stored_subject(self, item_id: str, encoder_id: str) -> Subject:
        """Look up an item that came after the generation was built."""
        stored = self._store.get(item_id)
        if stored is None:
            raise ItemNotFound(item_id)
        vector = EmbeddingTaskStore(self._database, encoder_id).vector(item_id)
        return Subject(vector, stored.item.price, stored.item.category_path)

    async def _embedded_subject(self, item_id: str, encoder_id: str) -> Subject:
        """Embed an item that no worker has reached yet."""
        started_ns = time.perf_counter_ns()
        vector = await self._on_demand.embed(encoder_id, item_id)
        embed_us = (time.perf_counter_ns() - started_ns) // 1_000
        stored = await asyncio.to_thread(self._store.get, item_id)
        if stored is None:
            raise ItemNotFound(item_id)
        return Subject(vector, stored.item.price, stored.item.category_path, embed_us=embed_us)

    async def _picture_subject(
        self, query: recommendation_pb2.PictureQuery, serving: Serving, context: Context
    ) -> Subject:
        started_ns = time.perf_counter_ns()
        price, path = context_from(query.context, field="picture.context")
        encoder_id = serving.generation.manifest.encoder_id
        if self._triton is None:
            raise Unavailable(
                Reason.ENCODER_UNAVAILABLE,
                "this server was started without --triton-url and embeds no pictures; queries by item id are not "
                "affected",
            )
        try:
            pixels = await asyncio.to_thread(decode_picture, query.content)
        except PictureError as error:
            raise picture_fault(error, field="picture.content") from error
        vectors = await self._triton.embed(encoder_id, pixels[None], timeout_s=context.time_remaining())
        if not is_unit(vectors[0]):
            raise InvalidArgument(
                Reason.EMBEDDING_NOT_FINITE, "the encoder gave no unit vector for it", field="picture.content"
            )
        return Subject(vectors[0], price, path, embed_us=(time.perf_counter_ns() - started_ns) // 1_000)


def _subject_of_row(live: LiveColumns, row: int) -> Subject:
    return Subject(live.embedding(row), live.price(row), live.category_path(row), row)


def listed_subject(item_id: str, serving: Serving) -> Subject:
    """Return an item as a query to an encoder that is known to serve it."""
    row = serving.live.row_of(item_id)
    if row is None:
        raise LookupError(item_id)
    return _subject_of_row(serving.live, row)


def _embedding_subject(query: recommendation_pb2.EmbeddingQuery, serving: Serving) -> Subject:
    manifest = serving.generation.manifest
    price, path = context_from(query.context, field="embedding.context")
    if query.encoder_id != manifest.encoder_id:
        raise NotReady(
            Reason.ENCODER_MISMATCH,
            f"the embedding is of encoder {query.encoder_id[:64]!r}; it would be compared with those of "
            f"{manifest.encoder_id}",
            field="embedding.encoder_id",
        )
    return Subject(embedding_from(query, manifest.dimensions), price, path)
