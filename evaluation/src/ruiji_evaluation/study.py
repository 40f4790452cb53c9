"""A study: what is compared on what, and what counts as relevant, declared in TOML before the first run.

Paths in a study start from its own folder, or from another one that the caller names. Unknown keys are refused, so that
a misspelt one cannot quietly leave the default in force. docs/evaluation.md shows a whole study.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from ruiji_evaluation.catalogue import Columns
from ruiji_evaluation.comparison import ResamplingSettings
from ruiji_evaluation.encoders import EncoderSpec, read_spec
from ruiji_evaluation.errors import StudyError
from ruiji_evaluation.measures import DEFAULT_MEASURES
from ruiji_evaluation.relevance import Level
from ruiji_evaluation.slices import SliceSettings
from ruiji_evaluation.split import Split
from ruiji_evaluation.toml_table import TomlTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_SPLIT, _SLICES, _RESAMPLING = Split(), SliceSettings(), ResamplingSettings()


@dataclass(frozen=True, slots=True)
class Study:
    """What is compared on what."""

    title: str
    """Heads the report."""
    items: Path
    """The item table."""
    pictures: tuple[Path, ...]
    """Folders and zip files; items without a picture there are left out."""
    baseline: str
    """Name of the encoder that the others are compared with."""
    encoders: tuple[EncoderSpec, ...]
    """In the order of the report."""
    columns: Columns = field(default_factory=Columns)
    """Which column of the item table says what."""
    measures: tuple[str, ...] = DEFAULT_MEASURES
    """The first decides slices, wins and losses."""
    relevance: tuple[Level, ...] = ()
    """Grading by attributes; logs need none."""
    split: Split = field(default_factory=Split)
    """Which items are evaluated and which of them ask; for attributes."""
    slices: SliceSettings = field(default_factory=SliceSettings)
    """Which slices are reported."""
    resampling: ResamplingSettings = field(default_factory=ResamplingSettings)
    """Of intervals and tests."""
    notes: tuple[str, ...] = ()
    """What a reader of the report must know."""


def load_study(
    path: Path,
    *,
    root: Path | None = None,
    added: Sequence[EncoderSpec] = (),
    only: Sequence[str] = (),
    baseline: str | None = None,
) -> Study:
    """Read a study.

    Args:
        path: the TOML file.
        root: where the study's relative paths start; by default in its own folder.
        added: further encoders; one of the same name replaces the study's.
        only: names of the encoders to keep, besides the baseline; by default all.
        baseline: instead of the study's own.

    Raises:
        StudyError: it cannot be read, misses a key or has an unknown one, or an encoder named is not there.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StudyError(f"study {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"study {path} is no TOML: {error}") from error
    table = TomlTable(raw, str(path), root or path.parent)
    columns = table.table("catalogue")
    split, slices, resampling = table.table("split"), table.table("slices"), table.table("resampling")
    encoders = {spec.name: spec for spec in _encoders(table.table("encoders"))} | {spec.name: spec for spec in added}
    chosen = baseline or table.text("baseline")
    table.text("baseline", "")
    unknown = sorted({chosen, *only} - set(encoders))
    if unknown:
        raise StudyError(f"{path} has no encoder {', '.join(unknown)}; there are {', '.join(encoders) or 'none'}")
    study = Study(
        title=table.text("title", path.stem),
        items=columns.path("items"),
        pictures=columns.paths("pictures"),
        baseline=chosen,
        encoders=tuple(spec for spec in encoders.values() if not only or spec.name in {chosen, *only}),
        columns=_columns(columns),
        measures=table.texts("measures", DEFAULT_MEASURES),
        relevance=tuple(_level(level) for level in table.tables("relevance")),
        split=Split(
            test_ids=split.path("test_ids") if split.raw("test_ids") is not None else None,
            test_share=split.number("test_share", _SPLIT.test_share, low=0.0, high=1.0),
            test_salt=split.text("test_salt", _SPLIT.test_salt),
            query_share=split.number("query_share", _SPLIT.query_share, low=0.0, high=1.0),
            query_salt=split.text("query_salt", _SPLIT.query_salt),
            max_queries=split.integer("max_queries", _SPLIT.max_queries, low=1),
        ),
        slices=SliceSettings(
            category_level=slices.integer("category_level", _SLICES.category_level, low=1),
            price_edges=slices.numbers("price_edges", _SLICES.price_edges),
            age_edges_days=slices.numbers("age_edges_days", _SLICES.age_edges_days),
            as_of=_moment(slices, "as_of"),
            min_queries=slices.integer("min_queries", _SLICES.min_queries, low=2),
        ),
        resampling=ResamplingSettings(
            resamples=resampling.integer("resamples", _RESAMPLING.resamples, low=100),
            confidence=resampling.number("confidence", _RESAMPLING.confidence, low=0.5, high=0.9999),
            seed=resampling.integer("seed", _RESAMPLING.seed, low=0),
        ),
        notes=table.texts("notes", ()),
    )
    for part in (columns, split, slices, resampling, table):
        part.refuse_unknown()
    return study


def _columns(table: TomlTable) -> Columns:
    return Columns(
        item_id=table.text("id", "id"),
        title=table.text("title", "title"),
        category=table.texts("category", ("category_path",)),
        price=table.text("price", "price") or None,
        listed=table.text("listed", "") or None,
        picture=table.text("picture", "{image}"),
        min_price=table.number("min_price", 0.0, low=0.0, high=float("inf")),
    )


def _encoders(table: TomlTable) -> list[EncoderSpec]:
    specs: dict[str, EncoderSpec] = {}
    for name in table.names():
        specs[name] = read_spec(name, table.table(name), specs)
    return list(specs.values())


def _level(table: TomlTable) -> Level:
    level = Level(gain=table.integer("gain", None, low=1), all_of=table.texts("all", ()), any_of=table.texts("any", ()))
    table.refuse_unknown()
    return level


def _moment(table: TomlTable, key: str) -> datetime | None:
    value = table.raw(key)
    if value is None:
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise StudyError(f"{table.where(key)} must be a date, such as 2026-11-21")
