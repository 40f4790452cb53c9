"""Reading logs: Parquet and JSON lines, one file or a folder with many.

What is not in the format is refused, with file and line. What is in the format and makes no sense (a position twice, a
tap on what was not shown) is left out and counted by reason.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ruiji_evaluation.errors import LogError
from ruiji_evaluation.logs.schema import FORMAT_VERSION, OPTIONAL, REQUIRED, VERSION_KEY, Request, Shown, Tap

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz")


class LogReader:
    """Reads one log.

    Attributes:
        left_out: what was read and not handed out, by reason; complete when the iteration is.
    """

    def __init__(self, path: Path) -> None:
        """Find the files.

        Args:
            path: a `.parquet`, `.jsonl` or `.jsonl.gz` file, or a folder that holds such, at any depth; others, and
                names that begin with a dot or an underscore, are passed over.

        Raises:
            LogError: there are none.
        """
        self.left_out: Counter[str] = Counter()
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "_")))
            self._files = sorted(file for file in inside if file.name.endswith(_SUFFIXES))
        else:
            self._files = [path] if path.is_file() and path.name.endswith(_SUFFIXES) else []
        if not self._files:
            raise LogError(f"there is no log at {path}: give a file, or a folder with files, of {', '.join(_SUFFIXES)}")

    def __iter__(self) -> Iterator[Request]:
        """Yield the requests that can be used, in the order of the files' names.

        Raises:
            LogError: a file is not in the format.
        """
        self.left_out.clear()
        seen: set[str] = set()
        for file in self._files:
            for request in _requests(file, self.left_out):
                if request.request_id in seen:
                    self.left_out["request: the id was there before"] += 1
                    continue
                seen.add(request.request_id)
                fault = _fault(request)
                if fault is not None:
                    self.left_out[f"request: {fault}"] += 1
                    continue
                yield replace(request, taps=_taps(request, self.left_out))


def _fault(request: Request) -> str | None:
    positions = [shown.position for shown in request.shown]
    items = [shown.item_id for shown in request.shown]
    if not positions:
        return "nothing was shown"
    if min(positions) < 1:
        return "a position is below 1"
    if len(set(positions)) < len(positions):
        return "a position is there twice"
    if len(set(items)) < len(items):
        return "an item is there twice"
    return None


def _taps(request: Request, left_out: Counter[str]) -> tuple[Tap, ...]:
    shown = {entry.item_id for entry in request.shown}
    taps: dict[str, Tap] = {}
    for tap in request.taps:
        if tap.item_id not in shown:
            left_out["tap: the item was not shown"] += 1
        elif tap.item_id in taps:
            left_out["tap: the item was tapped before"] += 1
        else:
            taps[tap.item_id] = tap
    return tuple(taps.values())


def _requests(file: Path, left_out: Counter[str]) -> Iterator[Request]:
    if file.suffix == ".parquet":
        yield from _from_parquet(file)
    else:
        yield from _from_json_lines(file, left_out)


def _from_parquet(file: Path) -> Iterator[Request]:
    try:
        with pq.ParquetFile(file) as parquet:
            schema = parquet.schema_arrow
            version = (schema.metadata or {}).get(VERSION_KEY.encode(), b"none").decode()
            _check_version(version, str(FORMAT_VERSION), file)
            missing = [name for name in REQUIRED if name not in schema.names]
            if missing:
                raise LogError(f"{file} lacks the columns {', '.join(missing)}")
            known = [name for name in (*REQUIRED, *OPTIONAL) if name in schema.names]
            row = 0
            for batch in parquet.iter_batches(columns=known):
                for record in batch.to_pylist():
                    row += 1
                    yield _request(record, f"{file}, row {row}")
    except (pa.ArrowException, OSError) as error:
        raise LogError(f"{file} cannot be read as Parquet: {error}. Was it written to its end?") from error


def _from_json_lines(file: Path, left_out: Counter[str]) -> Iterator[Request]:
    try:
        with _opened(file) as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{file}, line {number}"
                try:
                    record = json.loads(line)
                except json.JSONDecodeError as error:
                    if not line.endswith("\n"):
                        # The writer was stopped, or is still at it.
                        left_out["request: the last line of a file was cut short"] += 1
                        return
                    raise LogError(f"{where} is not JSON: {error}") from error
                if not isinstance(record, dict):
                    raise LogError(f"{where} is no JSON object")
                _check_version(record.get("version"), FORMAT_VERSION, where)
                yield _request(record, where)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise LogError(f"{file} cannot be read: {error}") from error


def _opened(file: Path) -> IO[str]:
    return gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8")


def _check_version(found: object, expected: object, where: object) -> None:
    if found != expected:
        raise LogError(f"{where} has version {found} of the log format; this release reads {expected}")


def _request(record: Mapping[str, Any], where: str) -> Request:
    try:
        return Request(
            request_id=_text(record["request_id"]),
            time=_moment(record["time"]),
            query_item_id=_text(record["query_item_id"]),
            shown=tuple(Shown(_text(entry["item_id"]), _integer(entry["position"])) for entry in record["shown"]),
            taps=tuple(
                Tap(_text(entry["item_id"]), None if entry.get("time") is None else _moment(entry["time"]))
                for entry in record["taps"]
            ),
            **{name: _text(record[name]) for name in OPTIONAL if record.get(name) is not None},
        )
    except KeyError as error:
        raise LogError(f"{where} lacks the field {error.args[0]}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise LogError(f"{where} has a field of another kind: {error}") from error


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no text")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ValueError(f"{value!r} is no time with a time zone, such as 2026-11-21T10:00:00Z")
    return moment
