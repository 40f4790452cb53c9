"""The report in Markdown, with plots in files beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_evaluation.report.tables import tables_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ruiji_evaluation.evaluation import Evaluation
    from ruiji_evaluation.report.tables import Table


def markdown_report(evaluation: Evaluation, plots: Mapping[str, str], pages: Mapping[str, str]) -> str:
    """Write the report.

    Args:
        evaluation: what was found.
        plots: caption to file name.
        pages: encoder to the file name of its page of wins and losses.
    """
    parts = [f"# {_inline(evaluation.title)}"]
    parts.append("\n".join(f"- {name}: {_inline(value)}" for name, value in evaluation.facts))
    parts.extend(f"> {_inline(note)}" for note in evaluation.notes)
    tables = tables_of(evaluation)
    parts.append(_table(tables[0]))
    parts.extend(f"![{_inline(caption)}]({file})" for caption, file in plots.items())
    parts.extend(_table(table) for table in tables[1:])
    if pages:
        links = "\n".join(f"- [{_inline(encoder)}]({file})" for encoder, file in pages.items())
        parts.append(f"## Wins and losses\n\n{links}")
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    lines = [_row(table.headings), _row(["---"] * len(table.headings)), *(_row(row) for row in table.rows)]
    return f"## {_inline(table.title)}\n\n{_inline(table.explanation)}\n\n" + "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_inline(cell) if cell != "---" else cell for cell in cells) + " |"


def _inline(text: str) -> str:
    # Names and categories come from strangers; a bar would end a cell, and markup would be obeyed.
    for character in "\\`*_|<":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
