"""What an analysis is asked to do. All of it is fixed before the data are looked at, and printed in the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from ruiji_experiments.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ruiji_experiments.analysis.multiplicity import Correction

Source = Literal["auto", "client", "server"]


@dataclass(frozen=True, slots=True)
class Margins:
    """How much worse than the control a variant may be before it must be stopped."""

    latency_p50: float = 0.10
    """Relative: 0.10 allows a median that is 10 % longer."""
    latency_p95: float = 0.20
    """Relative."""
    short_pages: float = 0.005
    """Absolute: 0.005 allows half a percentage point more pages that are short though the catalogue had more."""
    errors: float = 0.002
    """Absolute."""


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """How events become figures."""

    experiment: str
    """Name of the experiment in the events."""
    control: str
    """Name of the variant that the others are compared with."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Planned shares by variant. Without them, equal shares of the variants in the log, which the report says."""
    start: datetime | None = None
    """Events of the experiment count from here; by default from its first request."""
    end: datetime | None = None
    """And before this moment. Purchases may come later."""
    source: Source = "auto"
    """Whose impressions count: the client's say what was on a screen, the server's what was sent. `auto` takes the
    client's where the log has any of the experiment."""
    purchase_window_days: float = 7.0
    """A purchase belongs to the last tap of its unit and item, if that is no longer ago."""
    pre_period_days: float = 14.0
    """How much of the time before the start explains differences between units; 0 for no adjustment."""
    most_requests_per_day: int = 1000
    """A unit with more on one day is taken for a machine and left out, in all variants."""
    winsorise_at: float | None = None
    """Such as 0.999: sums of a unit beyond this quantile over all variants count as the quantile."""
    confidence: float = 0.95
    """Of intervals."""
    resamples: int = 2000
    """Of the bootstrap check; 0 leaves it out."""
    expected_lift: float = 0.20
    """Effects of about this size are found soonest by the always-valid intervals; any value is safe,
    too large a one costs less than too small a one."""
    correction: Correction = "holm"
    """Of p-values over segments."""
    margins: Margins = field(default_factory=Margins)
    """Of the guardrails."""
    seed: int = 0
    """Of the bootstrap."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.shares and self.control not in self.shares:
            raise SettingsError(f"the control {self.control!r} is not among the shares: {', '.join(self.shares)}")
        if any(share <= 0 for share in self.shares.values()):
            raise SettingsError("every share must be above 0; leave out variants that nobody was given")
        if not 0.5 <= self.confidence < 1:
            raise SettingsError("the confidence must be at least 0.5 and below 1, such as 0.95")
        if self.winsorise_at is not None and not 0.5 < self.winsorise_at < 1:
            raise SettingsError("winsorising needs a quantile between 0.5 and 1, such as 0.999")
        if self.expected_lift <= 0:
            raise SettingsError("the expected lift must be above 0, such as 0.1 for 10 %")
        if self.purchase_window_days <= 0 or self.pre_period_days < 0 or self.most_requests_per_day < 1:
            raise SettingsError("windows must be above 0 days, and the most requests a day at least 1")
        for moment in (self.start, self.end):
            if moment is not None and moment.tzinfo is None:
                raise SettingsError("start and end need a time zone, such as 2026-05-01T00:00:00+00:00")
