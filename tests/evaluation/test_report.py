"""Reports: complete, self-contained, safe against what strangers wrote, and small."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from ruiji_evaluation.attributes import evaluate_attributes
from ruiji_evaluation.documents.tables import p_text
from ruiji_evaluation.pictures import PictureFiles
from ruiji_evaluation.report import write_report
from ruiji_evaluation.report.examples import EXAMPLES, wins_and_losses
from ruiji_evaluation.report.tables import tables_of


@pytest.fixture(scope="module")
def evaluation(shop):
    return evaluate_attributes(shop.study(), cache=shop.cache)


@pytest.fixture(scope="module")
def written(evaluation, shop, tmp_path_factory):
    with PictureFiles([shop.folder / "images"]) as files:
        return write_report(evaluation, tmp_path_factory.mktemp("report"), files)


def test_markdown_and_html_tell_the_same(evaluation, written):
    markdown, html = written.markdown.read_text(), written.html.read_text()
    for table in tables_of(evaluation):
        assert f"## {table.title}" in markdown.replace("\\", "")
        assert f"<h2>{table.title}</h2>" in html
    mean = f"{evaluation.comparison.figures['tiny'][0].mean:.3f}"
    assert mean in markdown
    assert mean in html
    assert "Drawn, not photographed." in html


def test_pages_ask_nobody_for_anything(written):
    for page in (written.html, *written.pages):
        text = page.read_text()
        assert not re.findall(r'(?:src|href)="(?!data:|wins-and-losses)', text)
        assert "<script" not in text
        assert "default-src 'none'" in text
        assert page.stat().st_size < 3_000_000


def test_plots_stand_beside_the_markdown(written):
    names = re.findall(r"\]\((plot-[^)]+)\)", written.markdown.read_text())
    assert len(names) == 4, "measures, and three slicings"
    for name in names:
        assert (written.markdown.parent / name).read_bytes().startswith(b"\x89PNG")


def test_there_is_a_page_for_each_encoder_but_the_baseline(written):
    assert [page.name for page in written.pages] == ["wins-and-losses-tiny.html", "wins-and-losses-tiny-pca-4.html"]
    assert all(page.name in written.html.read_text() for page in written.pages)


def test_figures_can_be_read_by_machines(evaluation, written):
    results = json.loads(written.results.read_text())
    assert results["comparison"]["figures"]["tiny"][0]["mean"] == evaluation.comparison.figures["tiny"][0].mean
    assert results["encoders"][2]["dimensions"] == 4


def test_wins_are_gains_and_losses_are_losses_largest_first(evaluation):
    wins, losses = wins_and_losses(evaluation, "tiny")
    gains = [example.value - example.baseline_value for example in wins]
    assert gains == sorted(gains, reverse=True)
    assert all(gain > 0 for gain in gains)
    assert all(example.value < example.baseline_value for example in losses)
    assert max(len(wins), len(losses)) <= EXAMPLES
    for example in wins:
        assert sum(other.query.category == example.query.category for other in wins) <= 2


def test_names_of_strangers_are_shown_and_not_obeyed(evaluation, shop, tmp_path):
    hostile = "<img src=x onerror=alert(1)>|`$a_{b}$ 帽子"
    items = tuple(replace(item, title=hostile, category=(hostile,)) for item in evaluation.rankings.items)
    first, *others = evaluation.comparison.slices
    changed = replace(
        evaluation,
        title=hostile,
        comparison=replace(evaluation.comparison, slices=(replace(first, label=hostile), *others)),
        rankings=replace(evaluation.rankings, items=items),
    )
    with PictureFiles([shop.folder / "images"]) as files:
        written = write_report(changed, tmp_path, files)
    for page in (written.html, *written.pages):
        assert "<img src=x" not in page.read_text()
    assert "\\<img src=x onerror=alert(1)>\\|\\`" in written.markdown.read_text()


def test_a_picture_that_vanished_leaves_a_gap(evaluation, tmp_path):
    with PictureFiles([tmp_path]) as files:
        written = write_report(evaluation, tmp_path / "report", files)
    assert "no picture" in written.pages[0].read_text()


def test_one_encoder_alone_has_a_report(shop, tmp_path):
    study = shop.study()
    alone = evaluate_attributes(replace(study, encoders=study.encoders[:1]), cache=shop.cache)
    with PictureFiles([shop.folder / "images"]) as files:
        written = write_report(alone, tmp_path, files)
    assert written.pages == ()
    assert "Differences" not in written.markdown.read_text()


def test_small_p_values_are_not_called_zero():
    assert [p_text(value) for value in (0.0004997, 0.001, 0.04321, 1.0)] == ["< 0.001", "0.001", "0.043", "1.000"]


def test_the_same_evaluation_gives_the_same_bytes(evaluation, written, shop, tmp_path):
    with PictureFiles([shop.folder / "images"]) as files:
        again = write_report(evaluation, tmp_path, files)
    for first, second in zip((written.html, *written.pages), (again.html, *again.pages), strict=True):
        assert first.read_bytes() == second.read_bytes()
