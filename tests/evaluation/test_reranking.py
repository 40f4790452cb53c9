"""Evaluation from logs: lists put into each encoder's order, judged by taps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from ruiji_evaluation.errors import LogError, NothingToEvaluate
from ruiji_evaluation.logs.judging import AS_SHOWN, rank
from ruiji_evaluation.logs.reranking import evaluate_logs
from ruiji_evaluation.logs.schema import Request, Shown, Tap
from ruiji_evaluation.logs.writing import write_parquet
from ruiji_evaluation.report import write_report

START = datetime(2026, 4, 1, tzinfo=UTC)


def request(number: int, query: int, shown: list[int], tapped: list[int], **more) -> Request:
    return Request(
        request_id=f"r-{number}",
        time=START + timedelta(hours=number),
        query_item_id=f"toy-{query:03d}",
        shown=tuple(Shown(f"toy-{row:03d}", place) for place, row in enumerate(shown, 1)),
        taps=tuple(Tap(f"toy-{row:03d}") for row in tapped),
        **more,
    )


def log_of_likes(requests: int = 60) -> list[Request]:
    """People who tap what has the query's kind and colour: rows that are equal modulo 12."""
    rng = np.random.default_rng(0)
    log = []
    for number in range(requests):
        query = int(rng.integers(12, 84))
        alike = [row for row in range(query % 12, 96, 12) if row not in (query, 5, 6)]
        other = [row for row in range(96) if row % 12 != query % 12 and row not in (5, 6)]
        shown = [*rng.choice(other, 7, replace=False).tolist(), int(rng.choice(alike))]
        log.append(request(number, query, shown, shown[-1:], unit_id=f"u-{number % 20}", variant="AB"[number % 2]))
    return log


@pytest.fixture(scope="module")
def evaluated(shop):
    write_parquet(shop.folder / "likes.parquet", log_of_likes())
    return evaluate_logs(shop.study(), shop.folder / "likes.parquet", cache=shop.cache)


def test_an_encoder_that_sees_kind_and_colour_lifts_what_was_tapped(evaluated):
    figures = evaluated.comparison.figures
    assert figures[AS_SHOWN][0].mean < 0.1, "taps were on the last place, where nDCG@5 does not look"
    assert figures["tiny"][0].mean > 0.7


def test_intervals_are_over_users(evaluated):
    assert evaluated.comparison.queries == 60
    assert evaluated.comparison.units == 20


def test_variants_are_slices(evaluated):
    parts = {part.label: part.queries for part in evaluated.comparison.slices if part.slicing == "variant"}
    assert parts == {"A": 30, "B": 30}


def test_a_report_of_logs_says_what_was_tapped(evaluated, shop, tmp_path):
    from ruiji_evaluation.pictures import PictureFiles

    with PictureFiles([shop.folder / "images"]) as files:
        written = write_report(evaluated, tmp_path, files)
    page = next(page for page in written.pages if page.name == "wins-and-losses-tiny.html").read_text()
    assert ">tapped<" in page
    assert "as shown" in written.markdown.read_text()


def test_what_cannot_be_compared_is_left_out_and_counted(shop):
    write_parquet(
        shop.folder / "faults.parquet",
        [
            request(1, 1, [2, 3, 4], [2]),
            request(2, 1, [2, 3, 4], []),
            request(3, 5, [2, 3], [2]),
            request(4, 1, [2, 6], [2]),
            request(5, 1, [2, 3, 6], [6]),
            request(6, 1, [1, 2, 3], [3]),
        ],
    )
    study = shop.study(only=["tiny"])
    found = evaluate_logs(study, shop.folder / "faults.parquet", cache=shop.cache, max_unknown_share=1.0)
    assert found.comparison.queries == 2
    assert {reason: number for reason, number in found.left_out.items() if ":" in reason} == {
        "request: nothing was tapped": 1,
        "request: the query item is unknown or has no picture": 1,
        "request: fewer than two items can be compared": 1,
        "request: what was tapped is unknown or has no picture": 1,
        "shown: it was the query item itself": 1,
        "shown: the item is unknown or has no picture": 2,
    }


def test_a_log_of_another_catalogue_is_refused(shop):
    write_parquet(shop.folder / "foreign.parquet", [request(1, 1, [2, 300, 301], [2])])
    with pytest.raises(LogError, match=r"2 of 4 items that .*foreign.parquet names are not in .*items.tsv"):
        evaluate_logs(shop.study(), shop.folder / "foreign.parquet", cache=shop.cache)


def test_a_log_without_taps_is_refused(shop):
    write_parquet(shop.folder / "untapped.parquet", [request(1, 1, [2, 3], [])])
    with pytest.raises(NothingToEvaluate):
        evaluate_logs(shop.study(), shop.folder / "untapped.parquet", cache=shop.cache)


def test_ties_are_broken_by_item_whatever_the_order_in_the_log():
    vectors = np.array([[1, 0], [0, 1], [0, 1], [1, 0]], np.float32)
    assert rank(vectors, 0, [2, 3, 1]) == rank(vectors, 0, [1, 2, 3]) == [3, 1, 2]
