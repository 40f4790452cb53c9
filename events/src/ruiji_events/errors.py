"""What can go wrong with the log of events. Each message says what to do.

RuijiEventsError
├── JournalError          the journal cannot take events, or gives none
│   ├── JournalBusy       more events arrive than the disk takes; try again
│   ├── JournalFull       the disk is full
│   ├── JournalFailed     the disk fails, or the journal was closed
│   └── SegmentDamaged    a segment that holds acknowledged events cannot be read
├── PartitionError        partitions that cannot be read or written
│   └── PartitionDamaged  a file is half written or in another format
├── CompactionBusy        another process compacts, trims or erases at the moment
└── UnitKeyError          a key of units that cannot be used (see `units`)
"""

from __future__ import annotations


class RuijiEventsError(Exception):
    """Root of this package's exceptions."""


class JournalError(RuijiEventsError):
    """The journal cannot take events, or gives none."""


class JournalBusy(JournalError):  # noqa: N818  (reads as what it says)
    """More events wait for the disk than memory is set aside for."""


class JournalFull(JournalError):  # noqa: N818
    """The disk is full; nothing of the batch is acknowledged."""


class JournalFailed(JournalError):  # noqa: N818
    """The disk fails, or the journal was closed; nothing of the batch is acknowledged."""


class SegmentDamaged(JournalError):  # noqa: N818
    """A segment is damaged before its end, where acknowledged events are; names file and byte."""


class PartitionError(RuijiEventsError):
    """Partitions cannot be read or written; names the folder."""


class PartitionDamaged(PartitionError):  # noqa: N818
    """A file of a partition is half written or in another format; names it."""


class CompactionBusy(RuijiEventsError):  # noqa: N818
    """Another process works on the partitions."""
