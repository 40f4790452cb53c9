"""Building for ever: looks at every encoder now and then, and no encoder keeps the others from their turn."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from ruiji_server.generations.errors import DirectoryBusy, GenerationError
from ruiji_server.generations.schedule import Schedule
from ruiji_server.store.encoders import EncoderStateError

_LOG = logging.getLogger(__name__)


class Backoff:
    """Longer and longer pauses for encoders whose builds fail, so that others get their turn."""

    def __init__(self, *, first_s: float, most_s: float) -> None:
        """Set the pauses.

        Args:
            first_s: after the first failure; each further one doubles it,
            most_s: up to this.
        """
        self._first_s = first_s
        self._most_s = most_s
        self._pause_s: dict[str, float] = {}
        self._until_s: dict[str, float] = {}

    def is_pausing(self, encoder_id: str, now_s: float) -> bool:
        """Return whether an encoder is to be left alone at a time, in seconds of a clock that is never set."""
        return now_s < self._until_s.get(encoder_id, now_s)

    def failed(self, encoder_id: str, now_s: float) -> float:
        """Note a failure; return how long the encoder pauses."""
        pause_s = min(2.0 * self._pause_s.get(encoder_id, self._first_s / 2.0), self._most_s)
        self._pause_s[encoder_id] = pause_s
        self._until_s[encoder_id] = now_s + pause_s
        return pause_s

    def succeeded(self, encoder_id: str) -> None:
        """Forget an encoder's failures."""
        self._pause_s.pop(encoder_id, None)
        self._until_s.pop(encoder_id, None)


class PeriodicBuilds:
    """Builds generations for encoders that are due, and lives with builds that fail."""

    def __init__(self, schedule: Schedule, backoff: Backoff, build: Callable[[str], None]) -> None:
        """Set what says when to build, how long an encoder pauses whose build failed, and what builds for one."""
        self._schedule = schedule
        self._backoff = backoff
        self._build = build

    def look(self, encoder_ids: Iterable[str]) -> None:
        """Build for each encoder that is due. One may be retired meanwhile, and is left alone then.

        Raises:
            UnknownEncoder: an encoder is not registered with the store.
            FeedPositionError: a generation was built from another store.
        """
        for encoder_id in encoder_ids:
            if self._backoff.is_pausing(encoder_id, time.monotonic()):
                continue
            try:
                if self._schedule.is_due(encoder_id):
                    self._build(encoder_id)
                self._backoff.succeeded(encoder_id)
            except DirectoryBusy as busy:
                _LOG.warning("%s", busy)
            except (GenerationError, EncoderStateError) as error:
                # Below a floor, no room, retired: the same would very likely happen again.
                pause_s = self._backoff.failed(encoder_id, time.monotonic())
                _LOG.error("%s; what was published before goes on, next try in %.0f s", error, pause_s)
