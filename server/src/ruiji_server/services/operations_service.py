"""`OperationsService`: how the installation is doing, from what serves here and what the store says."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from ruiji.v1 import operations_pb2, operations_pb2_grpc

from ruiji_server.services.failures import Context, rpc
from ruiji_server.services.messages import generation_info
from ruiji_server.services.remembered import Remembered
from ruiji_server.services.serving import Serving, ServingGenerations
from ruiji_server.store.catalogue import CatalogueStore
from ruiji_server.store.embedding_progress import EmbeddingProgress, embedding_progress
from ruiji_server.store.embedding_tasks import BacklogFigures, EmbeddingTaskStore
from ruiji_server.store.encoders import EncoderState, RegisteredEncoder, registered_encoders
from ruiji_server.store.engine import Database
from ruiji_server.store.feed import FeedReader

_KEPT_S: Final = 2.0

_STATE: Final = {
    EncoderState.ACTIVE: operations_pb2.EncoderStatus.STATE_ACTIVE,
    EncoderState.PROMOTED: operations_pb2.EncoderStatus.STATE_PROMOTED,
    EncoderState.RETIRED: operations_pb2.EncoderStatus.STATE_RETIRED,
}


@dataclass(frozen=True, slots=True)
class _Counted:
    """What the store says of one encoder."""

    encoder: RegisteredEncoder
    progress: EmbeddingProgress | None
    """None for a retired one; so is the backlog."""
    backlog: BacklogFigures | None


@dataclass(frozen=True, slots=True)
class _Catalogue:
    """What the store says."""

    observed_at_us: int
    items: int
    feed_position: int
    encoders: Sequence[_Counted]
    """The promoted one first, then the oldest."""
    oldest_unseen_us: dict[str, int]
    """By encoder: when the oldest change was made that its generation has not seen."""


class OperationsService(operations_pb2_grpc.OperationsServiceServicer):
    """How it goes, over gRPC."""

    def __init__(self, serving: ServingGenerations, database: Database) -> None:
        self._serving = serving
        self._database = database
        self._feed = FeedReader(database)
        self._started_at_us = _now_us()
        self._catalogue: Remembered[None, _Catalogue] = Remembered(lambda _key: self._look(), _KEPT_S)

    @rpc
    async def Status(  # noqa: N802  (the contract's name)
        self, _request: operations_pb2.StatusRequest, _context: Context
    ) -> operations_pb2.StatusResponse:
        """Say how it goes."""
        catalogue = await self._catalogue.get(None)
        served = {serving.encoder_id: (serving, share) for serving, share in self._serving.all()}
        answer = operations_pb2.StatusResponse(
            server_version=version("ruiji"),
            items=catalogue.items,
            feed_position=catalogue.feed_position,
        )
        answer.started_at.FromMicroseconds(self._started_at_us)
        answer.observed_at.FromMicroseconds(catalogue.observed_at_us)
        for counted in catalogue.encoders:
            encoder = counted.encoder
            message = answer.encoders.add(encoder_id=encoder.encoder_id, name=encoder.name, state=_STATE[encoder.state])
            if encoder.encoder_id in served:
                serving, message.request_share = served[encoder.encoder_id]
                unseen_us = catalogue.oldest_unseen_us.get(encoder.encoder_id)
                lag_s = 0.0 if unseen_us is None else max(0.0, (catalogue.observed_at_us - unseen_us) / 1e6)
                message.generation.CopyFrom(_served(serving, lag_s))
            if counted.progress is not None and counted.backlog is not None:
                message.backlog.CopyFrom(_backlog(counted.progress, counted.backlog))
        return answer

    def _look(self) -> _Catalogue:
        oldest_unseen_us = {}
        for serving, _share in self._serving.all():
            unseen_us = self._feed.oldest_change_us(serving.feed_position)
            if unseen_us is not None:
                oldest_unseen_us[serving.encoder_id] = unseen_us
        known = sorted(registered_encoders(self._database), key=lambda each: each.state != EncoderState.PROMOTED)
        return _Catalogue(
            observed_at_us=_now_us(),
            items=CatalogueStore(self._database).count(),
            feed_position=self._feed.last_position(),
            encoders=[self._counted(encoder) for encoder in known],
            oldest_unseen_us=oldest_unseen_us,
        )

    def _counted(self, encoder: RegisteredEncoder) -> _Counted:
        if encoder.state == EncoderState.RETIRED:
            return _Counted(encoder, None, None)
        return _Counted(
            encoder,
            embedding_progress(self._database, encoder.encoder_id),
            EmbeddingTaskStore(self._database, encoder.encoder_id).figures(),
        )


def _served(serving: Serving, lag_s: float) -> operations_pb2.ServedGeneration:
    manifest = serving.generation.manifest
    return operations_pb2.ServedGeneration(
        generation=generation_info(manifest),
        feed_position=serving.feed_position,
        feed_lag_s=lag_s,
        followed=serving.followed,
        changed_items=serving.live.changed_items,
        band_recalls=[
            operations_pb2.BandRecall(kept_share=band.kept_share, recall_at_20=band.recall_at_20)
            for band in manifest.quality.bands
        ],
    )


def _backlog(progress: EmbeddingProgress, figures: BacklogFigures) -> operations_pb2.EmbeddingBacklog:
    most_first = sorted(figures.parked.items(), key=lambda parked: (-parked[1], parked[0]))
    return operations_pb2.EmbeddingBacklog(
        embedded_items=progress.done,
        waiting_items=progress.waiting,
        retrying_items=figures.retrying,
        oldest_due_s=figures.oldest_due_s,
        rate_per_s=progress.rate_per_s,
        parked=[operations_pb2.ParkedItems(reason=reason, items=items) for reason, items in most_first],
    )


def _now_us() -> int:
    return time.time_ns() // 1_000
