"""The tables of a report, as text, for Markdown and HTML alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ruiji_evaluation.comparison import Difference, Figure
    from ruiji_evaluation.evaluation import Evaluation


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


def tables_of(evaluation: Evaluation) -> tuple[Table, ...]:
    """Return the tables of a report, in its order."""
    tables = [_figures(evaluation)]
    if evaluation.comparison.differences:
        tables.append(_differences(evaluation))
    if evaluation.comparison.slices:
        tables.append(_slices(evaluation))
    tables.append(_encoders(evaluation))
    if evaluation.left_out:
        tables.append(_left_out(evaluation))
    return tuple(tables)


def figure_text(figure: Figure, *, signed: bool = False, percent: bool = False) -> str:
    """Write a mean with its interval, such as `0.568 [0.524, 0.614]`."""
    spec = f"{'+' if signed else ''}.{1 if percent else 3}{'%' if percent else 'f'}"
    low, mean, high = (_without_minus_zero(format(value, spec)) for value in (figure.low, figure.mean, figure.high))
    return f"{mean} [{low}, {high}]"


def p_text(p_value: float) -> str:
    """Write a p-value with as many digits as mean something."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _without_minus_zero(text: str) -> str:
    return text.replace("-", "+") if not text.strip("-+0.%") and text.startswith("-") else text


def _figures(evaluation: Evaluation) -> Table:
    comparison = evaluation.comparison
    return Table(
        "Measures",
        f"Mean over {comparison.queries} queries and its interval. The baseline is {comparison.baseline}.",
        ("encoder", *comparison.measures),
        tuple((name, *(figure_text(figure) for figure in figures)) for name, figures in comparison.figures.items()),
    )


def _differences(evaluation: Evaluation) -> Table:
    comparison = evaluation.comparison
    rows = tuple(
        (name, measure, *_difference_cells(difference))
        for name, differences in comparison.differences.items()
        for measure, difference in zip(comparison.measures, differences, strict=True)
    )
    return Table(
        "Differences from the baseline",
        f"On the same queries as {comparison.baseline}; p by a randomisation test, then allowing for the number of "
        "encoders (Holm).",
        ("encoder", "measure", "difference", "relative", "p", "p, Holm"),
        rows,
    )


def _difference_cells(difference: Difference) -> tuple[str, str, str, str]:
    relative = "" if difference.relative is None else figure_text(difference.relative, signed=True, percent=True)
    return (
        figure_text(difference.absolute, signed=True),
        relative,
        p_text(difference.p_value),
        p_text(difference.p_holm),
    )


def _slices(evaluation: Evaluation) -> Table:
    comparison = evaluation.comparison
    others = [name for name in comparison.figures if name != comparison.baseline]
    return Table(
        f"Slices, {comparison.measures[0]}",
        "The baseline's mean and the others' differences from it. Intervals do not allow for the number of slices.",
        ("slice", "queries", comparison.baseline, *others),
        tuple(
            (
                f"{part.slicing}: {part.label}",
                str(part.queries),
                figure_text(part.means[comparison.baseline]),
                *(figure_text(part.differences[name], signed=True) for name in others),
            )
            for part in comparison.slices
        ),
    )


def _encoders(evaluation: Evaluation) -> Table:
    return Table(
        "Encoders",
        "What each row is.",
        ("encoder", "dimensions", "variance kept", "what it is"),
        tuple(
            (
                facts.name,
                str(facts.dimensions) if facts.dimensions else "",
                "" if facts.explained_variance is None else f"{facts.explained_variance:.1%}",
                facts.description,
            )
            for facts in evaluation.encoders
        ),
    )


def _left_out(evaluation: Evaluation) -> Table:
    return Table(
        "Left out",
        "What was read and not counted.",
        ("reason", "number"),
        tuple((reason, str(number)) for reason, number in sorted(evaluation.left_out.items())),
    )
