"""From events to the rows of their table."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from ruiji_events.events import Event
from ruiji_events.schema import SCHEMAS
from ruiji_events.tables import Table


def to_table(table: Table, events: Sequence[Event]) -> pa.Table:
    """Return events of one table as its rows; keys that are no columns are left out."""
    schema = SCHEMAS[table]
    columns = [_column(field.type, [event.get(field.name) for event in events]) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _column(kind: pa.DataType, values: Sequence[Any]) -> pa.Array:
    if not pa.types.is_list(kind):
        return pa.array(values, kind)
    # Field by field, which takes a fifth of the time that pyarrow takes for dictionaries.
    offsets = pa.array(itertools.accumulate(map(len, values), initial=0), pa.int32())
    flat = [element for value in values for element in value]
    parts = [pa.array([element.get(part.name) for element in flat], part.type) for part in kind.value_type]
    elements = pa.StructArray.from_arrays(parts, fields=list(kind.value_type))
    return pa.ListArray.from_arrays(offsets, elements, type=kind)
