"""What follows from an analysis, in words for people and in JSON for machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ruiji_experiments.analysis.guardrails import Guardrail
    from ruiji_experiments.analysis.results import ExperimentAnalysis


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do."""

    trustworthy: bool
    """Units were assigned as planned."""
    rollback: bool
    """A guardrail is violated: stop the experiment."""
    reasons: tuple[str, ...]
    """Of both, for people and for the audit."""


def verdict_of(analysis: ExperimentAnalysis) -> Verdict:
    """Return what follows from an analysis."""
    reasons = []
    check = analysis.assignment
    if check.mismatch:
        seen = ", ".join(f"{variant} {units}" for variant, units in check.units.items())
        reasons.append(
            f"The numbers of units ({seen}) do not fit the planned shares (p = {check.p_value:.2g}). Assignment or "
            "logging is broken; believe no lift of this report."
        )
    reasons.extend(_violation(guardrail) for guardrail in analysis.violated)
    return Verdict(not check.mismatch, bool(analysis.violated), tuple(reasons))


def verdict_json(analysis: ExperimentAnalysis) -> dict[str, object]:
    """Return the verdict as JSON values; keys and states are stable."""
    verdict = verdict_of(analysis)
    return {
        "experiment": analysis.settings.experiment,
        "control": analysis.settings.control,
        "trustworthy": verdict.trustworthy,
        "rollback": verdict.rollback,
        "reasons": list(verdict.reasons),
        "guardrails": [
            {"variant": one.variant, "name": one.name, "state": one.state, "harm": one.harm, "margin": one.margin}
            for one in analysis.guardrails
        ],
    }


def _violation(guardrail: Guardrail) -> str:
    return (
        f"{guardrail.variant} violates the guardrail on {guardrail.name}: {guardrail.harm:+.1%}, at least "
        f"{guardrail.low:+.1%}, and {guardrail.margin:.1%} is allowed."
    )
