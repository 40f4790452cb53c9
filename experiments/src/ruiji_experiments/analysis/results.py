"""Everything that an analysis found. Plain values, so that reports and machines read the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from ruiji_experiments.analysis.assignment_check import AssignmentCheck
from ruiji_experiments.analysis.counts import Span
from ruiji_experiments.analysis.guardrails import Guardrail
from ruiji_experiments.analysis.settings import AnalysisSettings


@dataclass(frozen=True, slots=True)
class Metric:
    """A ratio of sums over units."""

    name: str
    """Short, for machines and options."""
    title: str
    """For people."""
    numerator: str
    """Name of a sum."""
    denominator: str
    """Name of another."""


METRICS = (
    Metric("ctr", "CTR (taps / impressions)", "taps", "impressions"),
    Metric("cvr", "CVR (purchases / taps)", "purchases", "taps"),
    Metric("purchases_per_unit", "purchases per unit", "purchases", "units"),
)
"""CVR's denominator is itself changed by a variant; purchases per unit tell whether more is bought in the end."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its interval."""

    value: float
    """The estimate."""
    low: float
    """Lower bound."""
    high: float
    """Upper bound."""


@dataclass(frozen=True, slots=True)
class TestedLift:
    """A relative lift; 0.1 is +10 %."""

    lift: Interval
    """With its interval."""
    p_value: float
    """Two-sided, of no lift."""


@dataclass(frozen=True, slots=True)
class VariantFigures:
    """One variant."""

    variant: str
    """Its name."""
    units: int
    """Units counted."""
    sums: Mapping[str, float]
    """Impressions, taps, purchases."""
    metrics: Mapping[str, Interval | None]
    """By metric; None where nothing divides by nothing."""


@dataclass(frozen=True, slots=True)
class LiftFigures:
    """One metric of one variant against the control's. None stands for what cannot be computed (yet)."""

    variant: str
    """Which."""
    metric: str
    """Which."""
    plain: TestedLift | None
    """By the delta method, for one look at the data that was planned beforehand."""
    p_corrected: float | None
    """The same p-value, allowing for the number of variants."""
    always_valid: TestedLift | None
    """For every look; None while there are too few events."""
    adjusted: TestedLift | None
    """By the pre-period (CUPED); None without one."""
    variance_kept: float | None
    """By that adjustment: 0.6 stands for 40 % less."""
    bootstrap: Interval | None
    """The first one's check."""


@dataclass(frozen=True, slots=True)
class SegmentLift:
    """One metric of one variant in one segment."""

    dimension: str
    """What divides."""
    label: str
    """Which part."""
    variant: str
    """Which."""
    metric: str
    """Which."""
    units: int
    """Of both variants; a unit may be in several segments."""
    plain: TestedLift | None
    """None where there are too few events."""
    p_corrected: float | None
    """Allowing for all segments of this metric."""


@dataclass(frozen=True, slots=True)
class TimelinePoint:
    """A lift as it stood at the end of a day."""

    day: date
    """UTC."""
    variant: str
    """Which."""
    metric: str
    """Which."""
    plain: Interval
    """Interval of one look."""
    always_valid: Interval
    """Interval of all looks."""


@dataclass(frozen=True, slots=True)
class ExperimentAnalysis:
    """An experiment's report in figures."""

    settings: AnalysisSettings
    """What was asked."""
    span: Span
    """When."""
    assignment: AssignmentCheck
    """Whether units were assigned as planned."""
    shares_were_given: bool
    """Or assumed equal."""
    left_out: Mapping[str, int]
    """What was read and not counted, by reason."""
    variants: tuple[VariantFigures, ...]
    """The control first."""
    lifts: tuple[LiftFigures, ...]
    """By variant, then by metric."""
    guardrails: tuple[Guardrail, ...]
    """By variant."""
    segments: tuple[SegmentLift, ...]
    """By dimension."""
    timeline: tuple[TimelinePoint, ...]
    """By day."""

    @property
    def violated(self) -> tuple[Guardrail, ...]:
        """Guardrails that say stop."""
        return tuple(guardrail for guardrail in self.guardrails if guardrail.state == "violated")
