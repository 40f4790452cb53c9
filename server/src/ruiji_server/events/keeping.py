"""What a server that keeps events has open: its journal, its intake, its own impressions."""

from __future__ import annotations

from collections.abc import Callable

from ruiji_events.errors import JournalError
from ruiji_events.journal import Journal, JournalSettings

from ruiji_server.domain.errors import Reason, Unavailable
from ruiji_server.events.impressions import ImpressionLog
from ruiji_server.events.intake import EventIntake
from ruiji_server.events.settings import EventSettings


class EventKeeping:
    """The journal of one process and what writes to it.

    Attributes:
        intake: takes the events of callers.
        impressions: logs the server's own; None if it logs none.
    """

    def __init__(self, settings: EventSettings, dropped: Callable[[int], None]) -> None:
        """Open the journal.

        Args:
            settings: what is kept, and where.
            dropped: told the number of the server's own impressions that were lost.

        Raises:
            Unavailable: the journal's folder cannot be made or written.
        """
        try:
            self._journal = Journal(settings.journal, JournalSettings(max_segment_age_s=settings.max_segment_age_s))
        except JournalError as error:
            raise Unavailable(Reason.JOURNAL_FAILED, str(error)) from error
        self.intake = EventIntake(self._journal, settings)
        self.impressions = (
            ImpressionLog(self._journal, settings.impression_share, dropped) if settings.impression_share > 0 else None
        )

    def close(self) -> None:
        """Write what waits, and hand the segment to compaction."""
        if self.impressions is not None:
            self.impressions.close()
        self._journal.close()
