"""The tables of the log and their columns, format version 1.

    <root>/<table>/date=YYYY-MM-DD/<segment>.parquet

`date` is the UTC date of `time`. A Parquet file carries the version in its schema's metadata under
`ruiji.events.version`. A later release may add columns without raising it; readers find them null in older files. A
change that old readers would misread raises the version.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from ruiji_events.tables import Table

__all__ = ["EXPERIMENT", "FORMAT_VERSION", "ITEM", "SCHEMAS", "VERSION_KEY", "Table"]

FORMAT_VERSION: Final = 1
"""Of the partitions."""

VERSION_KEY: Final = "ruiji.events.version"
"""In the metadata of a Parquet schema."""


_TIME: Final = pa.timestamp("us", tz="UTC")


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


EXPERIMENT: Final = pa.struct(
    [_required("experiment", pa.string()), _required("variant", pa.string()), _required("forced", pa.bool_())]
)
"""The variant of one experiment, and whether the request asked for it by name. An interleaved experiment has an empty
variant: each item has its own team."""

ITEM: Final = pa.struct(
    [
        _required("item_id", pa.string()),
        _required("position", pa.int32()),
        pa.field("score", pa.float32()),
        pa.field("cosine", pa.float32()),
        pa.field("price_ratio", pa.float32()),
        pa.field("category_similarity", pa.float32()),
        pa.field("propensity", pa.float32()),
        pa.field("team", pa.string()),
    ]
)
"""One item of a page: its place (1 is the first), what it was ranked by, the probability that it came to stand there,
where chance had a part, and the variant that picked it, where the page was interleaved."""

_COMMON: Final = [
    _required("event_id", pa.string()),
    # When it happened.
    _required("time", _TIME),
    # When it reached the server.
    _required("received", _TIME),
    # The answer that it began with.
    pa.field("request_id", pa.string()),
    # Who: a keyed hash, in hexadecimal digits.
    pa.field("unit", pa.string()),
]

_IMPRESSION: Final = [
    # Empty where the query was a picture or an embedding.
    _required("query_item_id", pa.string()),
    _required("experiments", pa.list_(_required("element", EXPERIMENT))),
    pa.field("encoder_id", pa.string()),
    pa.field("generation_id", pa.string()),
    # The ranking policy of the answer; an infinite ratio means that there was no price band.
    pa.field("max_price_ratio", pa.float64()),
    pa.field("category_weight", pa.float64()),
    # 'client': what was seen; 'server': what was answered.
    _required("source", pa.string()),
    # Inside the server, or as long as the client waited.
    pa.field("latency_us", pa.int64()),
    # Whether the catalogue had no further eligible item, so that a short page is no fault.
    pa.field("exhausted", pa.bool_()),
    # Reason of the failure, where there was no page.
    pa.field("error", pa.string()),
    # How many items were asked for.
    pa.field("page_size", pa.int32()),
    _required("items", pa.list_(_required("element", ITEM))),
    # How the page came about, known to the server alone: candidates before any was dropped, and what dropped them.
    pa.field("candidates", pa.int32()),
    pa.field("dropped_not_recommendable", pa.int32()),
    pa.field("dropped_by_price", pa.int32()),
    pa.field("dropped_by_exclusion", pa.int32()),
    # Whether the price band was scanned instead of the index being searched.
    pa.field("exact_scan", pa.bool_()),
]

_TAP: Final = [_required("item_id", pa.string()), pa.field("position", pa.int32())]

_PURCHASE: Final = [
    _required("item_id", pa.string()),
    _required("amount_minor", pa.int64()),
    _required("currency_code", pa.string()),
]

_UNKNOWN: Final = [
    # The table that it belongs to: 'taps' or 'purchases'.
    _required("kind", pa.string()),
    _required("item_id", pa.string()),
    pa.field("position", pa.int32()),
    pa.field("amount_minor", pa.int64()),
    pa.field("currency_code", pa.string()),
]


def _schema(columns: list[pa.Field]) -> pa.Schema:
    return pa.schema([*_COMMON, *columns], metadata={VERSION_KEY: str(FORMAT_VERSION)})


SCHEMAS: Final = {
    Table.IMPRESSIONS: _schema(_IMPRESSION),
    Table.TAPS: _schema(_TAP),
    Table.PURCHASES: _schema(_PURCHASE),
    Table.UNKNOWN: _schema(_UNKNOWN),
}
"""Columns of each table."""
