"""Reports in words and on a scale, by themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_client import Estimate, ExperimentReport, PublishedReport, VariantReport
from ruiji_console.intervals import Scale, scale_of
from ruiji_console.reports import p_text, report_of, signed

from tests.support.published_reports import END, NARROW_BAND

BOUNDS = st.lists(st.floats(-0.99, 30.0), min_size=3, max_size=3).map(sorted)
ESTIMATES = BOUNDS.map(lambda bounds: Estimate(low=bounds[0], value=bounds[1], high=bounds[2]))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0751, "+7.5 %"), (-0.13, "−13.0 %"), (0.0008, "+0.08 %"), (0.0, "+0.00 %"), (12.5, "+1,250.0 %")],
)
def test_a_change_is_written_with_its_sign(value: float, text: str) -> None:
    assert signed(value).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_p_value_is_never_written_as_nothing() -> None:
    assert [p_text(value) for value in (0.0, 0.0009, 0.0123, 1.0)] == [
        "p < 0.001",
        "p < 0.001",
        "p = 0.012",
        "p = 1.000",
    ]


@given(st.lists(ESTIMATES, max_size=4), st.lists(ESTIMATES, max_size=4))
def test_every_interval_has_its_place_and_the_first_ones_are_shown_whole(
    first: list[Estimate], others: list[Estimate]
) -> None:
    scale = scale_of(first, others)
    for estimate in (*first, *others):
        segment = scale.segment(estimate)
        assert 0 <= segment.low <= segment.value <= segment.high <= 100
        assert (segment.low < 50) <= (estimate.low < 0)
        assert (segment.high > 50) <= (estimate.high > 0)
    widest = max((abs(bound) for one in first for bound in (one.low, one.high)), default=0.0)
    assert scale.reach >= min(widest, 5.0)


def test_far_wider_intervals_do_not_squeeze_the_first() -> None:
    narrow, wide = Estimate(value=0.04, low=0.03, high=0.05), Estimate(value=0.0, low=-0.9, high=3.0)
    assert scale_of([narrow], [wide]) == Scale(0.1)
    assert scale_of([], [wide]) == Scale(3.0)
    assert scale_of([], []) == Scale(0.01)


def test_a_value_without_an_interval_is_a_point() -> None:
    segment = Scale(0.1).segment(Estimate(value=0.05))
    assert segment.low == segment.value == segment.high == 75


def test_a_report_from_a_clock_that_is_ahead_is_of_now() -> None:
    published = PublishedReport(number=1, experiment="x", report=NARROW_BAND, author="ada", published_at=END)
    assert report_of(published, END - timedelta(minutes=1)).age_s == 0
    assert report_of(published, END + timedelta(minutes=1)).age_s == 60


def test_what_a_later_release_may_leave_out_is_no_failure() -> None:
    """Such as measures of kinds that are not known yet, or a control that is not told of."""
    report = ExperimentReport(control="nobody", variants=[VariantReport(variant="a", measures=[{"measure": "new"}])])
    found = report_of(PublishedReport(report=report), END)
    [measured] = found.comparisons[0].measures
    assert (measured.title, measured.control, measured.variant, measured.one_look) == ("new", "", "", None)
    assert measured.verdict == "too early"
