"""From an analysis to the report that a server keeps: what `ruiji experiment report --publish` sends."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp
from ruiji_client import (
    AssignmentCheck,
    DeadlineExceededError,
    Estimate,
    ExperimentReport,
    GuardrailReport,
    GuardrailState,
    ImpressionSource,
    MeasureReport,
    NotFoundError,
    PublishedReport,
    RuijiClient,
    UnavailableError,
    VariantReport,
)

from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruiji_experiments.analysis.guardrails import Guardrail
    from ruiji_experiments.analysis.results import ExperimentAnalysis, Interval, LiftFigures, TestedLift, VariantFigures

_SOURCES = {
    "client": ImpressionSource.IMPRESSION_SOURCE_CLIENT,
    "server": ImpressionSource.IMPRESSION_SOURCE_SERVER,
}
_STATES = {
    "passed": GuardrailState.GUARDRAIL_STATE_PASSED,
    "violated": GuardrailState.GUARDRAIL_STATE_VIOLATED,
    "undecided": GuardrailState.GUARDRAIL_STATE_UNDECIDED,
}


def publish_report(target: str, analysis: ExperimentAnalysis, author: str) -> PublishedReport:
    """Publish what an analysis found, so that the console shows it.

    Args:
        target: host:port of the server.
        analysis: what was found.
        author: who publishes it.

    Raises:
        UsageProblem: the server does not answer, or has no such experiment.
        RuijiClientError: it refuses the report, for instance because the experiment has other variants.
    """
    name = analysis.settings.experiment
    try:
        with RuijiClient(target) as client:
            return client.publish_report(name, report_message(analysis), author=author).report
    except NotFoundError as error:
        raise UsageProblem(
            f"the report was not published: {target} has no experiment {name!r}. Was it put there? `ruiji experiment "
            f"list --target {target}` shows those that it has"
        ) from error
    except (UnavailableError, DeadlineExceededError) as error:
        raise UsageProblem(
            f"the report was not published: there is no answer from {target} ({error.message}). Name the server with "
            "--target and publish again"
        ) from error


def report_message(analysis: ExperimentAnalysis) -> ExperimentReport:
    """Return what an analysis found in the contract's form; what could not be computed is left out."""
    check = analysis.assignment
    lifts = {(lift.variant, lift.metric): lift for lift in analysis.lifts}
    return ExperimentReport(
        control=analysis.settings.control,
        events_start=_timestamp(analysis.span.start),
        events_end=_timestamp(analysis.span.end),
        source=_SOURCES[analysis.span.source],
        confidence=analysis.settings.confidence,
        assignment=AssignmentCheck(
            p_value=check.p_value, mismatch=check.mismatch, shares_planned=analysis.shares_were_given
        ),
        variants=[
            _variant(figures, lifts, [one for one in analysis.guardrails if one.variant == figures.variant])
            for figures in analysis.variants
        ],
    )


def _variant(
    figures: VariantFigures, lifts: Mapping[tuple[str, str], LiftFigures], guardrails: list[Guardrail]
) -> VariantReport:
    return VariantReport(
        variant=figures.variant,
        units=figures.units,
        measures=[_measure(name, rate, lifts.get((figures.variant, name))) for name, rate in figures.metrics.items()],
        guardrails=[
            GuardrailReport(
                guardrail=one.name,
                state=_STATES[one.state],
                harm=_harm(one),
                margin=one.margin,
            )
            for one in guardrails
        ],
    )


def _measure(name: str, rate: Interval | None, lift: LiftFigures | None) -> MeasureReport:
    message = MeasureReport(measure=name, rate=_estimate(rate))
    if lift is None:
        return message
    if lift.plain is not None and (estimate := _whole(lift.plain)) is not None:
        message.lift.CopyFrom(estimate)
        message.p_value = lift.plain.p_value if lift.p_corrected is None else lift.p_corrected
    if lift.always_valid is not None and (estimate := _whole(lift.always_valid)) is not None:
        message.always_valid_lift.CopyFrom(estimate)
        message.always_valid_p_value = lift.always_valid.p_value
    return message


def _whole(tested: TestedLift) -> Estimate | None:
    """Return a lift with its interval; None where a bound is infinite, which says as little as no lift."""
    estimate = _estimate(tested.lift)
    return estimate if estimate is not None and estimate.HasField("low") else None


def _harm(guardrail: Guardrail) -> Estimate | None:
    if guardrail.harm is None:
        return None
    return Estimate(value=guardrail.harm, low=guardrail.low, high=guardrail.high)


def _estimate(interval: Interval | None) -> Estimate | None:
    if interval is None or not math.isfinite(interval.value):
        return None
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return Estimate(value=interval.value)
    return Estimate(value=interval.value, low=interval.low, high=interval.high)


def _timestamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message
