"""Tables as text, for Markdown and HTML alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; the first column names the row."""

    title: str
    """Stands above it."""
    explanation: str
    """How to read it."""
    headings: tuple[str, ...]
    """One for each column."""
    rows: tuple[tuple[str, ...], ...]
    """As many cells each as there are headings."""
    emphasised: str = ""
    """The row of this name is what the others are compared with."""


def interval_text(value: float, low: float, high: float, *, signed: bool = False, percent: bool = False) -> str:
    """Write an estimate with its interval, such as `0.568 [0.524, 0.614]`."""
    spec = f"{'+' if signed else ''}.{1 if percent else 3}{'%' if percent else 'f'}"
    low_text, text, high_text = (_without_minus_zero(format(number, spec)) for number in (low, value, high))
    return f"{text} [{low_text}, {high_text}]"


def p_text(p_value: float) -> str:
    """Write a p-value with as many digits as mean something."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _without_minus_zero(text: str) -> str:
    return text.replace("-", "+") if not text.strip("-+0.%") and text.startswith("-") else text
