"""The tables of a report, as text, for Markdown and HTML alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_evaluation.documents.tables import Table, interval_text, p_text

if TYPE_CHECKING:
    from ruiji_evaluation.comparison import Difference, Figure
    from ruiji_evaluation.evaluation import Evaluation


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
    return interval_text(figure.mean, figure.low, figure.high, signed=signed, percent=percent)


def _figures(evaluation: Evaluation) -> Table:
    comparison = evaluation.comparison
    return Table(
        "Measures",
        f"Mean over {comparison.queries} queries and its interval. The baseline is {comparison.baseline}.",
        ("encoder", *comparison.measures),
        tuple((name, *(figure_text(figure) for figure in figures)) for name, figures in comparison.figures.items()),
        emphasised=comparison.baseline,
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
        emphasised=evaluation.comparison.baseline,
    )


def _left_out(evaluation: Evaluation) -> Table:
    return Table(
        "Left out",
        "What was read and not counted.",
        ("reason", "number"),
        tuple((reason, str(number)) for reason, number in sorted(evaluation.left_out.items())),
    )
