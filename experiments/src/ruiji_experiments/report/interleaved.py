"""What follows from an interleaved experiment: facts, tables and verdict, as text, for Markdown and HTML alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_evaluation.documents.tables import Table, interval_text, p_text

if TYPE_CHECKING:
    from ruiji_experiments.interleaving.results import InterleavedAnalysis, Judgement

_TITLES = {"taps": "taps", "purchases": "purchases that began with a tap"}


def interleaved_facts(analysis: InterleavedAnalysis) -> tuple[tuple[str, str], ...]:
    """Return what was asked and of which events."""
    settings, span = analysis.settings, analysis.span
    days = (span.end - span.start).total_seconds() / 86_400
    control, treatment = analysis.teams
    return (
        ("experiment", f"{settings.experiment}, interleaved"),
        ("variants", f"{treatment.variant} against {control.variant} on the same pages"),
        ("result", result_text(analysis)),
        ("sample", f"{analysis.units:,} units, {analysis.pages:,} pages, {analysis.impressions:,} impressions"),
        ("from", f"{span.start:%Y-%m-%d %H:%M} UTC"),
        ("to", f"{span.end:%Y-%m-%d %H:%M} UTC ({days:.1f} days)"),
        ("impressions", {"client": "as clients saw them", "server": "as the server sent them"}[span.source]),
        ("purchases", f"within {settings.purchase_window_days:g} days of their tap"),
        ("intervals", f"{settings.confidence:.0%}, units are what varies, one look that was planned beforehand"),
    )


def result_text(analysis: InterleavedAnalysis) -> str:
    """Say in a line which variant was preferred."""
    if analysis.coins.mismatch:
        return "not to be believed"
    found = analysis.judgements[0].preference
    if analysis.preferred is None:
        return f"neither variant is surely preferred (p = {p_text(found.p_value)})"
    return f"{analysis.preferred} is preferred (p {_p_phrase(found.p_value)})"


def preference_text(judgement: Judgement) -> str:
    """Write a preference with its interval."""
    found = judgement.preference
    if not found.votes.decided:
        return "nobody decided"
    return interval_text(found.preference, found.low, found.high, signed=True)


def interleaved_tables(analysis: InterleavedAnalysis) -> tuple[Table, ...]:
    """Return the tables of a report, in its order."""
    return (_preferences(analysis), _sizes(analysis), _pages(analysis), _left_out(analysis))


def interleaved_reasons(analysis: InterleavedAnalysis) -> tuple[str, ...]:
    """Return why a report cannot be believed, for people; nothing if it can."""
    if not analysis.coins.mismatch:
        return ()
    control, treatment = analysis.teams
    return (
        f"{control.variant} began {control.begins} pages and {treatment.variant} {treatment.begins}, which a fair coin "
        f"hardly ever does (p = {analysis.coins.p_value:.2g}). Pages or their log are broken; believe no preference of "
        "this report.",
    )


def interleaved_verdict_json(analysis: InterleavedAnalysis) -> dict[str, object]:
    """Return the verdict as JSON values; keys are stable. There is no guardrail, and so never a rollback."""
    found = analysis.judgements[0].preference
    control, treatment = analysis.teams
    return {
        "experiment": analysis.settings.experiment,
        "interleaved": True,
        "control": control.variant,
        "treatment": treatment.variant,
        "trustworthy": not analysis.coins.mismatch,
        "rollback": False,
        "reasons": list(interleaved_reasons(analysis)),
        "preferred": analysis.preferred,
        "preference": found.preference,
        "p_value": found.p_value,
    }


def _preferences(analysis: InterleavedAnalysis) -> Table:
    control, treatment = analysis.teams
    headings = ["by", "wins", "losses", "ties", "silent", "preference", "p, sign test"]
    if analysis.settings.resamples:
        headings.append("bootstrap")
    headings.append("Delta")

    def row(judgement: Judgement) -> tuple[str, ...]:
        found, votes = judgement.preference, judgement.preference.votes
        cells = [_TITLES[judgement.event], *(f"{n:,}" for n in (votes.wins, votes.losses, votes.ties, votes.silent))]
        cells += [preference_text(judgement), p_text(found.p_value)]
        if analysis.settings.resamples:
            bounds = judgement.bootstrap
            cells.append("" if bounds is None else interval_text(bounds.value, bounds.low, bounds.high, signed=True))
        cells.append(interval_text(found.delta, found.delta_low, found.delta_high, signed=True))
        return tuple(cells)

    return Table(
        "Preference",
        f"A unit wins if it tapped (or bought) more of what {treatment.variant} picked than of what {control.variant} "
        "did; silent ones did neither. Preference: (wins - losses) / (wins + losses), from -1 to 1, above 0 for "
        f"{treatment.variant}, with the interval that belongs to the sign test. Taps decide. Delta: (wins + ties / 2) "
        "/ (wins + losses + ties) - 1/2."
        + (" The bootstrap resamples units and checks the first interval." * bool(analysis.settings.resamples)),
        tuple(headings),
        tuple(row(judgement) for judgement in analysis.judgements),
    )


def _sizes(analysis: InterleavedAnalysis) -> Table:
    votes = analysis.judgements[0].preference.votes
    share = votes.decided / votes.units if votes.units else 0.0
    return Table(
        "Units needed",
        f"{votes.decided:,} of {votes.units:,} units decided ({share:.0%}). With as many, a preference by taps is "
        "found (p < 0.05, 80 % power) by so many units.",
        ("preference", "wins to losses", "units"),
        tuple(
            (
                f"{one.preference:.2f}",
                f"{50 * (1 + one.preference):g} to {50 * (1 - one.preference):g}",
                f"{one.units:,}",
            )
            for one in analysis.sizes
        ),
    )


def _pages(analysis: InterleavedAnalysis) -> Table:
    check = analysis.coins
    return Table(
        "Pages",
        "What either variant had of the pages. A coin says who begins each: p = "
        f"{p_text(check.p_value)} by the exact test" + (". A mismatch!" if check.mismatch else ", no mismatch."),
        ("variant", "began", "items", "taps", "purchases"),
        tuple(
            (one.variant, *(f"{number:,}" for number in (one.begins, one.items, one.taps, one.purchases)))
            for one in analysis.teams
        ),
        emphasised=analysis.teams[0].variant,
    )


def _left_out(analysis: InterleavedAnalysis) -> Table:
    return Table(
        "Left out",
        "What was read and not counted.",
        ("what", "number"),
        tuple((reason, f"{number:,}") for reason, number in analysis.left_out.items()),
    )


def _p_phrase(p_value: float) -> str:
    text = p_text(p_value)
    return text if text.startswith("<") else f"= {text}"
