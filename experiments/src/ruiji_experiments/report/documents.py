"""The report in Markdown and in HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_evaluation.documents.html import data_uri, render
from ruiji_evaluation.documents.markdown import inline, markdown_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ruiji_evaluation.documents.tables import Table


def markdown_report(
    title: str,
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
    tables: Sequence[Table],
    plots: Mapping[str, str],
) -> str:
    """Write a report; `plots` is caption to file name."""
    parts = [f"# {inline(title)}", "\n".join(f"- {name}: {inline(value)}" for name, value in facts)]
    parts.extend(f"> {inline(note)}" for note in notes)
    parts.extend(markdown_table(table) for table in tables[:2])
    parts.extend(f"![{inline(caption)}]({file})" for caption, file in plots.items())
    parts.extend(markdown_table(table) for table in tables[2:])
    return "\n\n".join(parts) + "\n"


def html_report(
    title: str,
    subtitle: str,
    facts: Sequence[tuple[str, str]],
    notes: Sequence[str],
    tables: Sequence[Table],
    plots: Mapping[str, bytes],
) -> str:
    """Write a report as one file; `plots` is caption to PNG."""
    return render(
        "ruiji_experiments.report",
        "report.html.jinja",
        title=title,
        subtitle=subtitle,
        facts=facts,
        notes=notes,
        tables=tables,
        plots={caption: data_uri(png, "png") for caption, png in plots.items()},
    )
