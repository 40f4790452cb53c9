"""The tables of a report, as text, for Markdown and HTML alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ruiji_evaluation.documents.tables import Table, interval_text, p_text

from ruiji_experiments.analysis.results import METRICS

if TYPE_CHECKING:
    from ruiji_experiments.analysis.guardrails import Guardrail
    from ruiji_experiments.analysis.results import ExperimentAnalysis, Interval, LiftFigures, TestedLift

_TITLES = {metric.name: metric.title for metric in METRICS}
_SHORT = {"ctr": "CTR", "cvr": "CVR", "purchases_per_unit": "purchases per unit"}
_TOO_EARLY = "too early"


def facts_of(analysis: ExperimentAnalysis) -> tuple[tuple[str, str], ...]:
    """Return what was asked and of which events."""
    settings, span = analysis.settings, analysis.span
    days = (span.end - span.start).total_seconds() / 86_400
    return (
        ("experiment", settings.experiment),
        ("control", settings.control),
        ("from", f"{span.start:%Y-%m-%d %H:%M} UTC"),
        ("to", f"{span.end:%Y-%m-%d %H:%M} UTC ({days:.1f} days)"),
        ("impressions", {"client": "as clients saw them", "server": "as the server sent them"}[span.source]),
        ("purchases", f"within {settings.purchase_window_days:g} days of their tap"),
        ("intervals", f"{settings.confidence:.0%}, units are what varies"),
        ("expected lift", f"{settings.expected_lift:.0%} (tunes the always-valid intervals)"),
    )


def tables_of(analysis: ExperimentAnalysis) -> tuple[Table, ...]:
    """Return the tables of a report, in its order."""
    tables = [_variants(analysis), _lifts(analysis), _always_valid(analysis), _guardrails(analysis)]
    if analysis.segments:
        tables.append(_segments(analysis))
    tables += [_assignment(analysis), _left_out(analysis)]
    return tuple(tables)


def lift_text(tested: TestedLift | None, missing: str = "") -> str:
    """Write a lift with its interval."""
    return missing if tested is None else _interval(tested.lift, signed=True)


def _interval(interval: Interval, *, signed: bool = False) -> str:
    if not math.isfinite(interval.low):
        return f"{interval.value:.1%}"
    return interval_text(interval.value, interval.low, interval.high, signed=signed, percent=True)


def _variants(analysis: ExperimentAnalysis) -> Table:
    rows = []
    for figures in analysis.variants:
        ratios = []
        for metric in METRICS:
            ratio = figures.metrics[metric.name]
            if ratio is None:
                ratios.append("")
            elif metric.denominator == "units":
                known = math.isfinite(ratio.low)
                ratios.append(interval_text(ratio.value, ratio.low, ratio.high) if known else f"{ratio.value:.3f}")
            else:
                ratios.append(_interval(ratio))
        sums = (f"{figures.sums[name]:,.0f}" for name in ("impressions", "taps", "purchases"))
        rows.append((figures.variant, f"{figures.units:,}", *sums, *ratios))
    return Table(
        "Variants",
        "CTR: taps on recommended items over impressions of items. CVR: purchases that began with such a tap over "
        "those taps. Purchases per unit divide by everybody who was in the variant.",
        ("variant", "units", "impressions", "taps", "purchases", *(_SHORT[metric.name] for metric in METRICS)),
        tuple(rows),
        emphasised=analysis.settings.control,
    )


def _lifts(analysis: ExperimentAnalysis) -> Table:
    several = len(analysis.variants) > 2
    headings = ["variant", "metric", "lift", "p"]
    if several:
        headings.append("p, Holm")
    adjusted = any(found.adjusted for found in analysis.lifts)
    if adjusted:
        headings += ["lift, by pre-period", "p", "variance kept"]
    if analysis.settings.resamples:
        headings.append("bootstrap")

    def row(found: LiftFigures) -> tuple[str, ...]:
        cells = [found.variant, _TITLES[found.metric], lift_text(found.plain, "no events"), _p(found.plain)]
        if several:
            cells.append("" if found.p_corrected is None else p_text(found.p_corrected))
        if adjusted:
            kept = "" if found.variance_kept is None else f"{found.variance_kept:.0%}"
            cells += [lift_text(found.adjusted), _p(found.adjusted), kept]
        if analysis.settings.resamples:
            cells.append("" if found.bootstrap is None else _interval(found.bootstrap, signed=True))
        return tuple(cells)

    return Table(
        "Lifts",
        "Against the control, for one look that was planned beforehand."
        + (" By pre-period: what units did before the experiment explains part of how they differ (CUPED)." * adjusted)
        + (" The bootstrap checks the first interval." * bool(analysis.settings.resamples)),
        tuple(headings),
        tuple(row(found) for found in analysis.lifts),
    )


def _always_valid(analysis: ExperimentAnalysis) -> Table:
    return Table(
        "Lifts, always valid",
        "For every look at once: the experiment may be stopped on the first day on which 0 is outside, and the claim "
        "holds. Wider than above, and worth it for whoever looks early.",
        ("variant", "metric", "lift", "p"),
        tuple(
            (found.variant, _TITLES[found.metric], lift_text(found.always_valid, _TOO_EARLY), _p(found.always_valid))
            for found in analysis.lifts
        ),
    )


def _guardrails(analysis: ExperimentAnalysis) -> Table:
    def row(found: Guardrail) -> tuple[str, ...]:
        if found.harm is None or found.low is None or found.high is None:
            return (found.variant, found.name, "", "", "", f"{found.margin:.1%}", "undecided: too little logged")
        latency = found.name.startswith("latency")
        values = (f"{value:.1f} ms" if latency else f"{value:.2%}" for value in (found.control_value, found.value))
        harm = interval_text(found.harm, found.low, found.high, signed=True, percent=True)
        return (found.variant, found.name, *values, harm, f"{found.margin:.1%}", found.state)

    return Table(
        "Guardrails",
        "What must not get worse. Harm is relative for latencies and in percentage points for shares of requests; its "
        "interval is always valid. Violated: beyond the margin. Passed: not beyond it.",
        ("variant", "what", "control", "variant's", "harm", "margin", "state"),
        tuple(row(found) for found in analysis.guardrails),
    )


def _segments(analysis: ExperimentAnalysis) -> Table:
    correction = {"holm": "Holm", "bh": "Benjamini-Hochberg"}[analysis.settings.correction]
    return Table(
        "Segments",
        f"By the item that was looked at. p allows for all segments of the metric ({correction}); intervals do not.",
        ("segment", "variant", "metric", "units", "lift", "p, corrected"),
        tuple(
            (
                f"{found.dimension}: {found.label}",
                found.variant,
                _SHORT[found.metric],
                f"{found.units:,}",
                lift_text(found.plain, "too few events"),
                "" if found.p_corrected is None else p_text(found.p_corrected),
            )
            for found in analysis.segments
        ),
    )


def _assignment(analysis: ExperimentAnalysis) -> Table:
    check = analysis.assignment
    total = sum(check.units.values()) or 1
    shares = "planned shares" if analysis.shares_were_given else "equal shares, which were assumed"
    return Table(
        "Assignment",
        f"Units against {shares}: p = {p_text(check.p_value)} by chi-square"
        + (". A mismatch!" if check.mismatch else ", no mismatch."),
        ("variant", "units", "share", "planned"),
        tuple(
            (variant, f"{units:,}", f"{units / total:.2%}", f"{check.planned[variant]:.2%}")
            for variant, units in check.units.items()
        ),
    )


def _left_out(analysis: ExperimentAnalysis) -> Table:
    return Table(
        "Left out",
        "What was read and not counted, or not as it stood.",
        ("what", "number"),
        tuple((reason, f"{number:,}") for reason, number in analysis.left_out.items()),
    )


def _p(tested: TestedLift | None) -> str:
    return "" if tested is None else p_text(tested.p_value)
