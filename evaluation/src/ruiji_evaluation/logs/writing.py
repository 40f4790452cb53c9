"""Writing logs, for those who log and for tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ruiji_evaluation.logs.schema import FORMAT_VERSION, OPTIONAL, SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from ruiji_evaluation.logs.schema import Request


def to_table(requests: Iterable[Request]) -> pa.Table:
    """Turn requests into a table of the log's schema."""
    return pa.Table.from_pylist([_record(request, lambda moment: moment) for request in requests], schema=SCHEMA)


def write_parquet(path: Path, requests: Iterable[Request]) -> None:
    """Write one Parquet file."""
    pq.write_table(to_table(requests), path, compression="zstd")


def write_jsonl(path: Path, requests: Iterable[Request]) -> None:
    """Write one file of JSON lines, UTF-8; optional fields that are None are left out."""
    with path.open("w", encoding="utf-8") as file:
        for request in requests:
            record = _record(request, lambda moment: moment.isoformat())
            known = {name: value for name, value in record.items() if name not in OPTIONAL or value is not None}
            file.write(json.dumps({"version": FORMAT_VERSION, **known}, ensure_ascii=False) + "\n")


def _record(request: Request, written: Any) -> dict[str, Any]:  # noqa: ANN401  (a time as its file holds it)
    def moment_of(moment: datetime | None) -> object:
        return None if moment is None else written(moment)

    return {
        "request_id": request.request_id,
        "time": moment_of(request.time),
        "query_item_id": request.query_item_id,
        "shown": [{"item_id": shown.item_id, "position": shown.position} for shown in request.shown],
        "taps": [{"item_id": tap.item_id, "time": moment_of(tap.time)} for tap in request.taps],
        **{name: getattr(request, name) for name in OPTIONAL},
    }
