"""Markdown that shows what strangers wrote, and does not obey it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ruiji_evaluation.documents.tables import Table


def markdown_table(table: Table) -> str:
    """Write a table under its title and explanation."""
    lines = [_row(table.headings), _row(["---"] * len(table.headings)), *(_row(row) for row in table.rows)]
    return f"## {inline(table.title)}\n\n{inline(table.explanation)}\n\n" + "\n".join(lines)


def inline(text: str) -> str:
    """Return text that stays text inside a line of Markdown."""
    # Names and categories come from strangers; a bar would end a cell, and markup would be obeyed.
    for character in "\\`*_|<":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(inline(cell) if cell != "---" else cell for cell in cells) + " |"
