"""The table of precisions as Markdown for people and JSON for machines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from ruiji_encoding.gates import NEIGHBOURS

from ruiji_evaluation.documents.markdown import inline, markdown_table
from ruiji_evaluation.documents.tables import Table
from ruiji_evaluation.precisions import TIMED_BATCHES

if TYPE_CHECKING:
    from pathlib import Path

    from ruiji_evaluation.precisions import PrecisionFigures, PrecisionTable

HEADINGS = (
    "precision",
    "MB",
    "lowest cosine",
    "mean cosine",
    f"top-{NEIGHBOURS} kept",
    *(f"pictures/s, batch {batch}" for batch in TIMED_BATCHES),
    f"limits: cosine, top-{NEIGHBOURS}",
    "verdict",
)
"""One for each cell of `cells`."""


def cells(row: PrecisionFigures) -> tuple[str, ...]:
    """Write a row as text."""
    return (
        str(row.precision),
        f"{row.model_bytes / 1e6:.1f}",
        _cosine(row.min_cosine),
        _cosine(row.mean_cosine),
        f"{row.overlap:.1%}",
        *(f"{row.pictures_per_s[batch]:.1f}" for batch in TIMED_BATCHES),
        f"{row.min_cosine_limit:g}, {row.min_overlap_limit:.0%}",
        "passed" if row.passed else "missed",
    )


def explanation(table: PrecisionTable) -> str:
    """Say how to read the table, in a sentence or two."""
    threads = "one thread" if table.threads == 1 else f"{table.threads} threads"
    text = f"Cosines and neighbours are to {table.reference}, on {table.measured_on}; speeds are of {threads}."
    return f"{text} int8-static is calibrated on {table.calibrated_on}." if table.calibrated_on else text


def write_precisions(table: PrecisionTable, folder: Path) -> tuple[Path, Path]:
    """Write `precisions.md` and `precisions.json` into a folder, which is made if need be.

    Returns:
        Both files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    markdown, results = folder / "precisions.md", folder / "precisions.json"
    shown = Table(table.encoder, explanation(table), HEADINGS, tuple(cells(row) for row in table.rows))
    notes = [f"- {name}: {inline(why)}" for name, why in table.not_written.items()]
    parts = [markdown_table(shown), *(["Not written:\n\n" + "\n".join(notes)] if notes else [])]
    markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    figures = {**asdict(table), "rows": [{**asdict(row), "passed": row.passed} for row in table.rows]}
    results.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return markdown, results


def _cosine(value: float) -> str:
    # 1.00000 would claim more than 0.999996 is.
    return f"{value:.5f}" if value <= 0.999995 or value >= 1 else "> 0.99999"
