"""What is looked at several times a second and may be away for hours, told of twice: when it goes and when it comes."""

from __future__ import annotations

import logging
import time


class Outage:
    """Tells of the first failure in a row, and of the first success after it."""

    def __init__(self, log: logging.Logger, waiting: str) -> None:
        """Begin with no failure.

        Args:
            log: where to tell.
            waiting: what waits meanwhile, in the plural, such as "changes of experiments".
        """
        self._log, self._waiting = log, waiting
        self._since_s: float | None = None

    def failed(self, message: str) -> None:
        """Note a failure."""
        if self._since_s is None:
            self._since_s = time.monotonic()
            self._log.warning("%s wait, and it is tried again until they come: %s", self._waiting, message)

    def succeeded(self) -> None:
        """Note a success."""
        if self._since_s is not None:
            self._log.warning("%s are seen again after %.1f s", self._waiting, time.monotonic() - self._since_s)
            self._since_s = None
