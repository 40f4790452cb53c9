"""The report in Markdown, with plots in files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_evaluation.documents.markdown import inline, markdown_table
from ruiji_evaluation.report.tables import tables_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruiji_evaluation.evaluation import Evaluation


def markdown_report(evaluation: Evaluation, plots: Mapping[str, str], pages: Mapping[str, str]) -> str:
    """Write the report.

    Args:
        evaluation: what was found.
        plots: caption to file name.
        pages: encoder to the file name of its page of wins and losses.
    """
    parts = [f"# {inline(evaluation.title)}"]
    parts.append("\n".join(f"- {name}: {inline(value)}" for name, value in evaluation.facts))
    parts.extend(f"> {inline(note)}" for note in evaluation.notes)
    tables = tables_of(evaluation)
    parts.append(markdown_table(tables[0]))
    parts.extend(f"![{inline(caption)}]({file})" for caption, file in plots.items())
    parts.extend(markdown_table(table) for table in tables[1:])
    if pages:
        links = "\n".join(f"- [{inline(encoder)}]({file})" for encoder, file in pages.items())
        parts.append(f"## Wins and losses\n\n{links}")
    return "\n\n".join(parts) + "\n"
