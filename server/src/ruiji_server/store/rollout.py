"""Replacing an encoder while the old one serves: shares, promotion, rollback, retirement.

Each of these is one transaction with its line in the history. Servers look at the encoders' states every second, and
until then go on as before; nothing here can fail a request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ruiji_experiments.definition.model import Experiment
from sqlalchemy import Connection, update

from ruiji_server.domain.errors import NotReady, Reason
from ruiji_server.store.embedded_items import UnknownEncoder
from ruiji_server.store.encoder_history import Change, note_change
from ruiji_server.store.encoders import EncoderState, EncoderStateError, RegisteredEncoder, encoder_in, lock_encoders
from ruiji_server.store.engine import Database
from ruiji_server.store.experiments import experiments_in
from ruiji_server.store.locks import own_experiments, own_items
from ruiji_server.store.schema import encoders


@dataclass(frozen=True, slots=True)
class Promotion:
    """Which encoder is promoted now, and which was before."""

    promoted: str
    before: str


def promote(database: Database, encoder_id: str) -> Promotion:
    """Let an encoder answer every request that names no other; the one before stays active, for a rollback.

    Both lose their shares, and the promoted one its bound on the rate: its new listings wait for nothing. Does nothing
    if it is promoted already.

    Raises:
        UnknownEncoder: it was never registered.
        EncoderStateError: it is retired.
    """
    with database.write() as connection:
        known = lock_encoders(connection)
        wanted, before = _of(known, encoder_id), _promoted(known)
        if wanted.state == EncoderState.RETIRED:
            raise EncoderStateError(f"encoder {encoder_id} is retired; register it again with --revive first")
        if wanted.encoder_id != before.encoder_id:
            _hand_over(connection, before.encoder_id, encoder_id)
            _set(connection, encoder_id, promoted_over=before.encoder_id)
            note_change(connection, encoder_id, Change.PROMOTED, f"over {before.encoder_id}")
        return Promotion(encoder_id, before.encoder_id)


def roll_back(database: Database) -> Promotion:
    """Promote again the encoder that the promoted one was promoted over. The other stays active, without a share.

    Raises:
        EncoderStateError: nothing was promoted, or it was rolled back already, or the one before is retired.
    """
    with database.write() as connection:
        known = lock_encoders(connection)
        if not known:
            raise EncoderStateError("no encoder is registered with this store yet; there is nothing to roll back")
        before = _promoted(known)
        if before.promoted_over is None:
            raise EncoderStateError(
                f"there is nothing to roll back to: encoder {before.encoder_id} was promoted over none that is still "
                "active; `ruiji encoder promote` takes any other"
            )
        _hand_over(connection, before.encoder_id, before.promoted_over)
        _set(connection, before.encoder_id, promoted_over=None)
        note_change(connection, before.promoted_over, Change.ROLLED_BACK, f"from {before.encoder_id}")
        return Promotion(before.promoted_over, before.encoder_id)


def set_share(database: Database, encoder_id: str, share: float) -> None:
    """Let an active encoder answer a share of the requests that name none; 0 takes it away.

    Raises:
        UnknownEncoder: it was never registered.
        EncoderStateError: it is not active, or all shares together would be more than everything.
    """
    if not 0.0 <= share <= 1.0:
        raise EncoderStateError(f"a share is between 0 and 1, not {share}")
    with database.write() as connection:
        known = lock_encoders(connection)
        if _of(known, encoder_id).state != EncoderState.ACTIVE:
            raise EncoderStateError(
                f"encoder {encoder_id} is {known[encoder_id].state}; only an active one has a share, and the promoted "
                "one answers the rest"
            )
        others = math.fsum(encoder.request_share for encoder in known.values() if encoder.encoder_id != encoder_id)
        if others + share > 1.0 + 1e-9:
            raise EncoderStateError(f"other encoders have {others:.4g} of the requests; {share:.4g} is too much")
        _set(connection, encoder_id, request_share=share)
        note_change(connection, encoder_id, Change.SHARE_SET, f"{share:.4g}")


def set_rate(database: Database, encoder_id: str, rate_per_s: float | None) -> None:
    """Bound how many pictures all workers together embed with an encoder in a second; None takes the bound away.

    Raises:
        UnknownEncoder: it was never registered.
        EncoderStateError: it is not active, or the rate is not positive.
    """
    if rate_per_s is not None and not (0.0 < rate_per_s < math.inf):
        raise EncoderStateError(f"a rate is positive, not {rate_per_s}")
    with database.write() as connection:
        encoder = encoder_in(connection, encoder_id, lock=True)
        if encoder.state != EncoderState.ACTIVE:
            raise EncoderStateError(
                f"encoder {encoder_id} is {encoder.state}; a rate bounds an active one, which embeds the catalogue in "
                "the background"
            )
        _set(connection, encoder_id, rate_per_s=rate_per_s)
        detail = "no bound" if rate_per_s is None else f"{rate_per_s:g} pictures a second"
        note_change(connection, encoder_id, Change.RATE_SET, detail)


def retire(database: Database, encoder_id: str) -> None:
    """Take an encoder out of service: it answers nothing, and no worker embeds with it any more.

    When this returns, nothing is added to its tasks and embeddings; `retired` deletes them. Does nothing if it is
    retired already.

    Raises:
        UnknownEncoder: it was never registered.
        EncoderStateError: it is the promoted one.
        NotReady: a variant of an experiment that has not ended names it; nobody would take part any more.
    """
    with database.write() as connection:
        # Who puts an experiment has committed by now, or waits and will find the encoder retired.
        own_experiments(connection)
        # Who stores an embedding or gives a task has committed by now, or waits and will find it retired.
        own_items(connection)
        known = lock_encoders(connection)
        match _of(known, encoder_id).state:
            case EncoderState.RETIRED:
                return
            case EncoderState.PROMOTED:
                raise EncoderStateError(f"encoder {encoder_id} is the promoted one; promote another first")
            case EncoderState.ACTIVE:
                _check_in_no_experiment(connection, encoder_id)
        _set(
            connection,
            encoder_id,
            state=str(EncoderState.RETIRED),
            request_share=0.0,
            rate_per_s=None,
            promoted_over=None,
        )
        connection.execute(update(encoders).where(encoders.c.promoted_over == encoder_id).values(promoted_over=None))
        note_change(connection, encoder_id, Change.RETIRED)


def _check_in_no_experiment(connection: Connection, encoder_id: str) -> None:
    now = datetime.now(UTC)
    users = [
        name
        for name, revision in experiments_in(connection).items()
        if encoder_id in revision.placed.experiment.encoder_ids and not _is_over(revision.placed.experiment, now)
    ]
    if users:
        raise NotReady(
            Reason.ENCODER_IN_EXPERIMENT,
            f"encoder {encoder_id} is named by variants of experiments that have not ended: {', '.join(users)}; "
            f"`ruiji experiment stop {users[0]} -m WHY` ends one",
        )


def _is_over(experiment: Experiment, now: datetime) -> bool:
    # One that was stopped before its start never runs.
    return experiment.end is not None and (experiment.end <= now or experiment.end == experiment.start)


def _hand_over(connection: Connection, before: str, after: str) -> None:
    # In this order: an index lets no two be promoted.
    _set(connection, before, state=str(EncoderState.ACTIVE), request_share=0.0)
    _set(connection, after, state=str(EncoderState.PROMOTED), request_share=0.0, rate_per_s=None)


def _set(connection: Connection, encoder_id: str, **values: Any) -> None:  # noqa: ANN401  (columns of any type)
    connection.execute(update(encoders).where(encoders.c.encoder_id == encoder_id).values(**values))


def _of(known: dict[str, RegisteredEncoder], encoder_id: str) -> RegisteredEncoder:
    if encoder_id not in known:
        raise UnknownEncoder(encoder_id)
    return known[encoder_id]


def _promoted(known: dict[str, RegisteredEncoder]) -> RegisteredEncoder:
    return next(encoder for encoder in known.values() if encoder.state == EncoderState.PROMOTED)
