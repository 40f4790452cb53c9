"""The log format, version 1: one record for each request that was answered with a list of items.

Parquet and JSON lines hold the same fields. A Parquet file carries the version in its schema's metadata under
`ruiji.log.version`, a JSON line as the field `version`. Writers may add columns of their own: readers leave alone what
they do not know. A change that old readers would misread raises the version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from datetime import datetime

FORMAT_VERSION = 1
"""Of the records, in Parquet and JSON lines alike."""

VERSION_KEY = "ruiji.log.version"
"""In the metadata of a Parquet schema."""

_TIME = pa.timestamp("us", tz="UTC")

SHOWN = pa.struct(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),
    ]
)
"""One item of a list: its id, and the place where it stood, 1 being the first. No place and no item occurs twice."""

TAP = pa.struct(
    [
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("time", _TIME),
    ]
)
"""One tap: the item, one of those shown, and when, if that is known."""

SCHEMA = pa.schema(
    [
        pa.field("request_id", pa.string(), nullable=False),
        pa.field("time", _TIME, nullable=False),
        pa.field("query_item_id", pa.string(), nullable=False),
        pa.field("shown", pa.list_(pa.field("element", SHOWN, nullable=False)), nullable=False),
        pa.field("taps", pa.list_(pa.field("element", TAP, nullable=False)), nullable=False),
        pa.field("unit_id", pa.string()),
        pa.field("experiment", pa.string()),
        pa.field("variant", pa.string()),
        pa.field("encoder_id", pa.string()),
    ],
    metadata={VERSION_KEY: str(FORMAT_VERSION)},
)
"""A Parquet file of the log. The fields are described at `Request`."""

REQUIRED = tuple(field.name for field in SCHEMA if not field.nullable)
OPTIONAL = tuple(field.name for field in SCHEMA if field.nullable)


@dataclass(frozen=True, slots=True)
class Shown:
    """One item of the list that was shown."""

    item_id: str
    """The catalogue's own id."""
    position: int
    """Place in the list; 1 is the first. Places that were never on the screen are not logged."""


@dataclass(frozen=True, slots=True)
class Tap:
    """A tap on an item of the list."""

    item_id: str
    """One of those shown."""
    time: datetime | None = None
    """With a time zone; None where it is not known."""


@dataclass(frozen=True, slots=True)
class Request:
    """One record: a question, the list that answered it, and what came of it."""

    request_id: str
    """Unique over the whole log; the server's answer carries it."""
    time: datetime
    """When the list was made, with a time zone."""
    query_item_id: str
    """The item that was looked at."""
    shown: tuple[Shown, ...]
    """The list, in any order; positions say where each item stood."""
    taps: tuple[Tap, ...] = ()
    """None for most requests."""
    unit_id: str | None = None
    """Who asked: a keyed hash, never a name. Requests of one unit are not independent, and intervals allow for it."""
    experiment: str | None = None
    """Under which experiment the list was made."""
    variant: str | None = None
    """By which of its variants."""
    encoder_id: str | None = None
    """By which encoder."""
