"""Reports of experiments: the checks that name a field, and the form in which they are kept.

They are kept as the contract's own JSON, so that what a later release adds to the contract can be read by this one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.timestamp_pb2 import Timestamp
from ruiji.v1 import experiment_reports_pb2 as reports_pb2

from ruiji_server.domain.errors import InvalidArgument, Reason
from ruiji_server.domain.limits import MAX_REQUEST_ID_CHARS
from ruiji_server.store.experiment_changes import MAX_AUTHOR_CHARS
from ruiji_server.store.experiment_reports import StoredReport

_MAX_VARIANTS: Final = 20
_MAX_FIGURES: Final = 20
"""Measures of a variant, and guardrails."""
_MAX_NAME_CHARS: Final = 64


def check_publication(request: reports_pb2.PublishReportRequest) -> None:
    """Check what can be checked without the experiment.

    Raises:
        InvalidArgument: the report contradicts itself, or it is not said who publishes it; names the field.
    """
    if not request.author.strip() or len(request.author) > MAX_AUTHOR_CHARS or "\0" in request.author:
        raise _invalid("author", f"who publishes a report says who: 1 to {MAX_AUTHOR_CHARS} characters")
    if not 1 <= len(request.request_id) <= MAX_REQUEST_ID_CHARS or "\0" in request.request_id:
        raise InvalidArgument(
            Reason.REQUEST_ID_INVALID,
            f"request_id must have 1 to {MAX_REQUEST_ID_CHARS} characters, none of them NUL; a UUID does",
            field="request_id",
        )
    _check_report(request.report, "report")


def report_to_json(report: reports_pb2.ExperimentReport) -> str:
    """Return a checked report as text, the same for the same report."""
    return MessageToJson(report, sort_keys=True, indent=None, ensure_ascii=False)


def published_message(stored: StoredReport) -> reports_pb2.PublishedReport:
    """Return the message of a report that was published."""
    # What a later release knows and this one does not is left out.
    report = Parse(stored.content, reports_pb2.ExperimentReport(), ignore_unknown_fields=True)
    published_at = Timestamp()
    published_at.FromDatetime(stored.published_at)
    return reports_pb2.PublishedReport(
        number=stored.number,
        experiment=stored.experiment,
        report=report,
        author=stored.author,
        published_at=published_at,
    )


def _check_report(report: reports_pb2.ExperimentReport, path: str) -> None:
    names = [variant.variant for variant in report.variants]
    if not 1 <= len(names) <= _MAX_VARIANTS:
        raise _invalid(f"{path}.variants", f"a report has 1 to {_MAX_VARIANTS} variants, not {len(names)}")
    _check_each_once(names, f"{path}.variants", "variant")
    if report.control not in names:
        raise _invalid(f"{path}.control", f"{report.control[:_MAX_NAME_CHARS]!r} is none of the variants")
    begin, end = (_time_us(report, name, path) for name in ("events_start", "events_end"))
    if end <= begin:
        raise _invalid(f"{path}.events_end", "it must be after events_start")
    if report.source not in (reports_pb2.IMPRESSION_SOURCE_CLIENT, reports_pb2.IMPRESSION_SOURCE_SERVER):
        raise _invalid(f"{path}.source", "say whose impressions counted")
    if not 0.5 <= report.confidence < 1.0:
        raise _invalid(f"{path}.confidence", f"{report.confidence:g} is not from 0.5 to below 1")
    if not report.HasField("assignment"):
        raise _invalid(f"{path}.assignment", "it is missing")
    _check_p_value(report.assignment.p_value, f"{path}.assignment.p_value")
    for place, variant in enumerate(report.variants):
        _check_variant(variant, f"{path}.variants[{place}]")


def _check_variant(variant: reports_pb2.VariantReport, path: str) -> None:
    if variant.units < 0:
        raise _invalid(f"{path}.units", "there cannot be fewer than none")
    _check_each_once([one.measure for one in variant.measures], f"{path}.measures", "measure")
    _check_each_once([one.guardrail for one in variant.guardrails], f"{path}.guardrails", "guardrail")
    for place, measure in enumerate(variant.measures):
        for descriptor, value in measure.ListFields():
            here = f"{path}.measures[{place}].{descriptor.name}"
            if isinstance(value, reports_pb2.Estimate):
                _check_estimate(value, here)
            elif isinstance(value, float):
                _check_p_value(value, here)
    for place, guardrail in enumerate(variant.guardrails):
        here = f"{path}.guardrails[{place}]"
        known = reports_pb2.GuardrailState.values()
        if guardrail.state == reports_pb2.GUARDRAIL_STATE_UNSPECIFIED or guardrail.state not in known:
            raise _invalid(f"{here}.state", "say what follows from it")
        if not 0.0 < guardrail.margin < math.inf:
            raise _invalid(f"{here}.margin", f"{guardrail.margin:g} is not above 0")
        if guardrail.HasField("harm"):
            _check_estimate(guardrail.harm, f"{here}.harm")


def _check_each_once(names: Sequence[str], path: str, field: str) -> None:
    if len(names) > _MAX_FIGURES:
        raise _invalid(path, f"there are more than {_MAX_FIGURES}")
    for place, name in enumerate(names):
        here = f"{path}[{place}].{field}"
        if not 1 <= len(name) <= _MAX_NAME_CHARS or "\0" in name:
            raise _invalid(here, f"a name has 1 to {_MAX_NAME_CHARS} characters, none of them NUL")
        if name in names[:place]:
            raise _invalid(here, f"{name!r} stands twice")


def _check_estimate(estimate: reports_pb2.Estimate, path: str) -> None:
    if estimate.HasField("low") != estimate.HasField("high"):
        raise _invalid(path, "an interval has both bounds or none")
    low = estimate.low if estimate.HasField("low") else estimate.value
    high = estimate.high if estimate.HasField("high") else estimate.value
    if not (_all_finite((estimate.value, low, high)) and low <= estimate.value <= high):
        raise _invalid(path, f"{estimate.value:g} in {low:g} to {high:g} is no finite value inside its interval")


def _check_p_value(p_value: float, path: str) -> None:
    if not 0.0 <= p_value <= 1.0:
        raise _invalid(path, f"{p_value:g} is not from 0 to 1")


def _time_us(report: reports_pb2.ExperimentReport, name: str, path: str) -> int:
    if not report.HasField(name):  # type: ignore[arg-type]  # one of the two that the caller names
        raise _invalid(f"{path}.{name}", "it is missing")
    moment: Timestamp = getattr(report, name)
    try:
        moment.ToDatetime()
    except (ValueError, OverflowError) as error:
        raise _invalid(f"{path}.{name}", f"this is no time: {error}") from error
    return moment.ToMicroseconds()


def _all_finite(values: Iterable[float]) -> bool:
    return all(math.isfinite(value) for value in values)


def _invalid(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(Reason.EXPERIMENT_REPORT_INVALID, message, field=field)
