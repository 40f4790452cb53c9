"""Everything that the analysis of an interleaved experiment found. Plain values, for reports and machines alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from scipy import stats

from ruiji_experiments.analysis.assignment_check import MISMATCH_BELOW
from ruiji_experiments.analysis.counts import Span
from ruiji_experiments.analysis.results import Interval
from ruiji_experiments.analysis.settings import AnalysisSettings
from ruiji_experiments.interleaving.credit import Preference


@dataclass(frozen=True, slots=True)
class Judgement:
    """How units liked the treatment against the control, by one kind of event."""

    event: str
    """`taps` or `purchases`."""
    preference: Preference
    """Above 0 for the treatment."""
    bootstrap: Interval | None
    """The preference's check; None without resamples, or if nobody decided."""


@dataclass(frozen=True, slots=True)
class Team:
    """What one variant had of the pages."""

    variant: str
    """Its name."""
    begins: int
    """Pages whose first item it picked."""
    items: int
    """Items that it picked and that were shown."""
    taps: int
    """On them."""
    purchases: int
    """That began with these taps."""


@dataclass(frozen=True, slots=True)
class CoinCheck:
    """Whether both variants began as often as a coin lets them; if not, pages or their log are broken."""

    p_value: float
    """Of numbers as unequal as these, or more; exact."""

    @property
    def mismatch(self) -> bool:
        """Whether something is broken."""
        return self.p_value < MISMATCH_BELOW


@dataclass(frozen=True, slots=True)
class PreferencePoint:
    """The preference by taps as it stood at the end of a day."""

    day: date
    """UTC."""
    preference: Interval
    """Of one look."""


@dataclass(frozen=True, slots=True)
class SizeNeeded:
    """Units by which a preference is found."""

    preference: float
    """To be found."""
    units: int
    """With 80 % power, if as many of them decide as did here."""


@dataclass(frozen=True, slots=True)
class InterleavedAnalysis:
    """An interleaved experiment's report in figures."""

    settings: AnalysisSettings
    """What was asked."""
    span: Span
    """When."""
    teams: tuple[Team, Team]
    """The control and the treatment."""
    units: int
    """Who saw pages of both."""
    pages: int
    """That they saw."""
    impressions: int
    """Items on them."""
    judgements: tuple[Judgement, ...]
    """By taps, which decides, and by purchases."""
    timeline: tuple[PreferencePoint, ...]
    """By day."""
    sizes: tuple[SizeNeeded, ...]
    """Empty if nobody decided."""
    left_out: Mapping[str, int]
    """What was read and not counted, by reason."""

    @property
    def coins(self) -> CoinCheck:
        """The check of the drafts."""
        control, treatment = (team.begins for team in self.teams)
        begun = control + treatment
        return CoinCheck(float(stats.binomtest(treatment, begun).pvalue) if begun else 1.0)

    @property
    def preferred(self) -> str | None:
        """The variant that is surely preferred, by taps; None if neither is, or the report cannot be believed."""
        found = self.judgements[0].preference
        if self.coins.mismatch or found.p_value >= 1 - self.settings.confidence:
            return None
        return self.teams[found.preference > 0].variant
