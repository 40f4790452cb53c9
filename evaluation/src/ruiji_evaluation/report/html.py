"""The report in HTML and its pages of pictures: each one file, without scripts or outside references."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_evaluation.documents.html import data_uri, render
from ruiji_evaluation.report.tables import tables_of
from ruiji_evaluation.report.thumbnails import thumbnail_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ruiji_evaluation.evaluation import Evaluation
    from ruiji_evaluation.pictures import Pictures
    from ruiji_evaluation.report.examples import Example

_PACKAGE = "ruiji_evaluation.report"


def html_report(evaluation: Evaluation, plots: Mapping[str, bytes], pages: Mapping[str, str]) -> str:
    """Write the report.

    Args:
        evaluation: what was found.
        plots: caption to PNG.
        pages: encoder to the file name of its page of wins and losses.
    """
    embedded = {caption: data_uri(png, "png") for caption, png in plots.items()}
    return render(
        _PACKAGE,
        "report.html.jinja",
        title=evaluation.title,
        evaluation=evaluation,
        tables=tables_of(evaluation),
        plots=embedded,
        pages=pages,
    )


def examples_page(
    evaluation: Evaluation,
    encoder: str,
    wins: Sequence[Example],
    losses: Sequence[Example],
    files: Pictures,
) -> str:
    """Write the page of one encoder's wins and losses against the baseline."""
    names = {
        item.picture
        for example in (*wins, *losses)
        for item in (example.query, *(hit.item for hit in (*example.baseline_hits, *example.hits)))
    }
    return render(
        _PACKAGE,
        "examples.html.jinja",
        title=evaluation.title,
        evaluation=evaluation,
        encoder=encoder,
        parts=(("Wins", wins), ("Losses", losses)),
        pictures={name: thumbnail_uri(name, files) for name in sorted(names)},
        tapped=any(row.name == "as shown" for row in evaluation.encoders),
    )
