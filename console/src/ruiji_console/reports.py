"""Published reports of experiments as pages show them: what was found of each variant, in words and as a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ruiji_client import (
    AsyncRuijiClient,
    Estimate,
    GuardrailReport,
    GuardrailState,
    ImpressionSource,
    MeasureReport,
    PublishedReport,
    VariantReport,
)

from ruiji_console.intervals import Scale, Segment, scale_of

_MOST: Final = 1_000
"""Experiments whose latest report is asked for; the server gives no more at once."""
_TITLES: Final = {"ctr": "CTR", "cvr": "CVR", "purchases_per_unit": "Purchases per unit"}
_SHARES: Final = frozenset({"ctr", "cvr"})
_SOURCES: Final = {
    ImpressionSource.IMPRESSION_SOURCE_CLIENT: "as clients saw it",
    ImpressionSource.IMPRESSION_SOURCE_SERVER: "as the server sent it",
}
_STATES: Final = {
    GuardrailState.GUARDRAIL_STATE_PASSED: "passed",
    GuardrailState.GUARDRAIL_STATE_VIOLATED: "violated",
    GuardrailState.GUARDRAIL_STATE_UNDECIDED: "undecided",
}
_MINUS: Final = "\N{MINUS SIGN}"
_PERCENT: Final = "\N{NO-BREAK SPACE}%"


@dataclass(frozen=True, slots=True)
class Lift:
    """A lift with its interval."""

    value: str
    interval: str
    p_value: str
    """Empty where there is none."""
    segment: Segment


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of a variant beside the control's."""

    title: str
    control: str
    """Its rate; empty where there is none."""
    variant: str
    one_look: Lift | None
    every_look: Lift | None
    verdict: str
    """What the interval of every look says."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """One guardrail of a variant."""

    name: str
    state: str
    harm: str
    margin: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant against the control."""

    variant: str
    units: int
    control_units: int
    measures: Sequence[Measured]
    guardrails: Sequence[Guarded]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found of an experiment."""

    number: int
    author: str
    published_at: datetime
    age_s: float
    """Since then."""
    control: str
    events_start: datetime
    events_end: datetime
    source: str
    confidence: float
    mismatch: str
    """The p-value by which units were not assigned as planned; empty if they were."""
    shares_planned: bool
    scale: Scale
    """Of all plots."""
    comparisons: Sequence[Comparison]


async def latest_reports(client: AsyncRuijiClient, now: datetime) -> Mapping[str, Report]:
    """Return the latest report of each experiment that has one, by its name.

    Args:
        client: asks the server.
        now: aware.

    Raises as `AsyncRuijiClient.list_reports` does.
    """
    answer = await client.list_reports(latest_only=True, limit=_MOST)
    return {published.experiment: report_of(published, now) for published in answer.reports}


def report_of(published: PublishedReport, now: datetime) -> Report:
    """Return a report as it is shown at a moment."""
    report, published_at = published.report, published.published_at.ToDatetime(UTC)
    scale = scale_of(
        [measure.lift for variant in report.variants for measure in variant.measures if measure.HasField("lift")],
        [
            measure.always_valid_lift
            for variant in report.variants
            for measure in variant.measures
            if measure.HasField("always_valid_lift")
        ],
    )
    control = next((one for one in report.variants if one.variant == report.control), VariantReport())
    return Report(
        number=published.number,
        author=published.author,
        published_at=published_at,
        age_s=max(0.0, (now - published_at).total_seconds()),
        control=report.control,
        events_start=report.events_start.ToDatetime(UTC),
        events_end=report.events_end.ToDatetime(UTC),
        source=_SOURCES.get(report.source, ""),
        confidence=report.confidence,
        mismatch=p_text(report.assignment.p_value) if report.assignment.mismatch else "",
        shares_planned=report.assignment.shares_planned,
        scale=scale,
        comparisons=[
            _comparison(control, variant, scale) for variant in report.variants if variant.variant != report.control
        ],
    )


def signed(value: float) -> str:
    """Return a relative change in percent, with a sign."""
    digits = 1 if abs(value) >= 0.0095 else 2
    text = f"{100 * value:+,.{digits}f}"
    return text.replace("-", _MINUS) + _PERCENT


def p_text(p_value: float) -> str:
    """Return a p-value as people write it."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def _comparison(control: VariantReport, variant: VariantReport, scale: Scale) -> Comparison:
    of_control = {measure.measure: measure for measure in control.measures}
    return Comparison(
        variant=variant.variant,
        units=variant.units,
        control_units=control.units,
        measures=[_measured(of_control.get(one.measure), one, scale) for one in variant.measures],
        guardrails=[_guarded(one) for one in variant.guardrails],
    )


def _measured(control: MeasureReport | None, measure: MeasureReport, scale: Scale) -> Measured:
    every_look = None
    if measure.HasField("always_valid_lift"):
        p_value = measure.always_valid_p_value if measure.HasField("always_valid_p_value") else None
        every_look = _lift(measure.always_valid_lift, p_value, scale)
    return Measured(
        title=_TITLES.get(measure.measure, measure.measure),
        control=_rate(measure.measure, control),
        variant=_rate(measure.measure, measure),
        one_look=_lift(measure.lift, measure.p_value if measure.HasField("p_value") else None, scale)
        if measure.HasField("lift")
        else None,
        every_look=every_look,
        verdict=_verdict(measure.always_valid_lift) if every_look else "too early",
    )


def _verdict(lift: Estimate) -> str:
    if lift.low > 0:
        return "higher"
    return "lower" if lift.high < 0 else "open"


def _lift(lift: Estimate, p_value: float | None, scale: Scale) -> Lift:
    return Lift(
        value=signed(lift.value),
        interval=f"{signed(lift.low)} to {signed(lift.high)}",
        p_value="" if p_value is None else p_text(p_value),
        segment=scale.segment(lift),
    )


def _rate(name: str, measure: MeasureReport | None) -> str:
    if measure is None or not measure.HasField("rate"):
        return ""
    value = measure.rate.value
    return f"{100 * value:.2f}{_PERCENT}" if name in _SHARES else f"{value:.3g}"


def _guarded(guardrail: GuardrailReport) -> Guarded:
    harm = guardrail.harm
    text = "too little was logged"
    if guardrail.HasField("harm"):
        text = signed(harm.value) + (f" ({signed(harm.low)} to {signed(harm.high)})" if harm.HasField("low") else "")
    return Guarded(
        name=guardrail.guardrail,
        state=_STATES.get(guardrail.state, "unknown"),
        harm=text,
        margin=f"{100 * guardrail.margin:.3g}{_PERCENT}",
    )
