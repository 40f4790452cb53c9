"""The bound on how fast an encoder embeds, kept in the store so that any number of workers keep it together.

`paced_until_us` is the moment up to which the allowance was used. Each picture moves it on by one interval, 1 / rate,
and it never passes the present; what was not used is kept for one second at most (a leaky bucket, as a meter).

New listings of the promoted encoder come first: while any of them waits for a worker, the others go on at a trickle. It
is not nothing, so that an encoder whose workers are all gone does not stop the others for good.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import Connection, and_, exists, select, update

from ruiji_server.store.schema import embedding_tasks, encoders

_KEPT_S = 1.0
"""How much unused allowance is kept: a worker that comes late may take this much at once."""
_TRICKLE_PER_S = 2.0
"""Pictures a second that are embedded in the background while new listings wait."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many pictures may be taken now; its encoder's row is locked until the transaction ends."""

    encoder_id: str
    allowed: int
    _from_us: float
    _interval_us: float

    def used(self, connection: Connection, taken: int) -> None:
        """Note that pictures were taken, at most as many as are allowed."""
        statement = update(encoders).where(encoders.c.encoder_id == self.encoder_id)
        connection.execute(statement.values(paced_until_us=math.ceil(self._from_us + taken * self._interval_us)))


def pace_of(connection: Connection, encoder_id: str, now_us: int) -> Pace | None:
    """Return what an encoder may take at a moment, or None if it has no bound.

    Take it before the tasks are locked; nothing may be waited for afterwards.
    """
    this = encoders.c.encoder_id == encoder_id
    promoted = select(encoders.c.encoder_id).where(encoders.c.state == "promoted").scalar_subquery()
    listing_waits = exists().where(
        and_(
            embedding_tasks.c.encoder_id == promoted,
            embedding_tasks.c.parked.is_(False),
            embedding_tasks.c.available_at_us <= now_us,
        )
    )
    bounds = select(encoders.c.state, encoders.c.rate_per_s, listing_waits.label("listing_waits")).where(this)
    state, rate_per_s, waits = connection.execute(bounds).one()
    if state != "promoted" and waits:
        rate_per_s = min(rate_per_s or math.inf, _TRICKLE_PER_S)
    if rate_per_s is None:
        return None
    paced_until_us = connection.execute(select(encoders.c.paced_until_us).where(this).with_for_update()).scalar_one()
    interval_us = 1e6 / rate_per_s
    earliest_us = now_us - max(_KEPT_S * 1e6, interval_us)
    # A moment that is still to come was written by a clock that was wrong.
    from_us = max(earliest_us, paced_until_us) if paced_until_us <= now_us else float(now_us)
    # The rounding of a picture's interval must not cost the next one a whole interval.
    return Pace(encoder_id, math.floor((now_us - from_us) / interval_us + 1e-6), from_us, interval_us)
