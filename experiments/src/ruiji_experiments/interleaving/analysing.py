"""Puts the analysis of an interleaved experiment together: events in, which variant people preferred."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

import numpy as np
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder

from ruiji_experiments.analysis.analysing import NoStages
from ruiji_experiments.analysis.results import Interval
from ruiji_experiments.interleaving.credit import preference, votes_of
from ruiji_experiments.interleaving.log import InterleavedLog
from ruiji_experiments.interleaving.resampling import bootstrap_preference
from ruiji_experiments.interleaving.results import InterleavedAnalysis, Judgement, PreferencePoint, SizeNeeded
from ruiji_experiments.interleaving.sample_size import InterleavedPlan, interleaved_units_needed

if TYPE_CHECKING:
    from ruiji_experiments.analysis.analysing import Stages
    from ruiji_experiments.analysis.settings import AnalysisSettings
    from ruiji_experiments.interleaving.credit import Votes
    from ruiji_experiments.interleaving.log import Credits, DailyCredits

_STEPS: Final = ("events", "preferences", "days")
_EVENTS: Final = ("taps", "purchases")
_SHOWN_PREFERENCES: Final = (0.05, 0.1, 0.2, 0.4)


def analyse_interleaved(
    events: str, settings: AnalysisSettings, *, stages: Stages | None = None
) -> InterleavedAnalysis:
    """Analyse an interleaved experiment.

    Args:
        events: folder or URL of the events' tables.
        settings: what is asked; shares name the variants, if there are any. Whatever is about lifts, the time before
            the experiment and guardrails plays no part.
        stages: told of the progress.

    Raises:
        LogError: the events hold nothing of the experiment, or it is not interleaved.
        PartitionError: the events cannot be read (`ruiji_events.errors`).
        SettingsError: the log has no such control, or variants that the shares do not name.
    """
    first = None if settings.start is None else settings.start.astimezone(UTC).date()
    with (
        EventQueries(EventFolder(events), first=first) as queries,
        (stages or NoStages()).stage("Analyse", len(_STEPS)) as advance,
    ):
        # Progress is the caller's to show.
        queries.connection.execute("SET enable_progress_bar = false")
        log = InterleavedLog(queries.connection, settings)
        units, pages, impressions = log.sizes()
        advance(1)
        judgements = tuple(_judgement(event, log.credits(event), settings) for event in _EVENTS)
        advance(1)
        points = _timeline(log.daily_taps(), units, settings.confidence)
        advance(1)
        return InterleavedAnalysis(
            settings=settings,
            span=log.log.span,
            teams=log.teams(),
            units=units,
            pages=pages,
            impressions=impressions,
            judgements=judgements,
            timeline=points,
            sizes=_sizes(judgements[0].preference.votes),
            left_out=log.left_out(),
        )


def _judgement(event: str, credits_: Credits, settings: AnalysisSettings) -> Judgement:
    votes = votes_of(credits_.control, credits_.treatment)
    found = preference(votes, settings.confidence)
    rng = np.random.default_rng(settings.seed)
    bounds = None
    if settings.resamples:
        bounds = bootstrap_preference(votes, confidence=settings.confidence, resamples=settings.resamples, rng=rng)
    return Judgement(event, found, None if bounds is None else Interval(found.preference, *bounds))


def _timeline(daily: DailyCredits, units: int, confidence: float) -> tuple[PreferencePoint, ...]:
    """Return the preference at the end of each day on which somebody had decided."""
    control, treatment = np.zeros(units), np.zeros(units)
    points = []
    for row, day in enumerate(daily.days):
        rows = daily.day == row
        # A unit has one row a day.
        control[daily.unit[rows]] += daily.taps.control[rows]
        treatment[daily.unit[rows]] += daily.taps.treatment[rows]
        found = preference(votes_of(control, treatment), confidence)
        if found.votes.decided:
            points.append(PreferencePoint(day, Interval(found.preference, found.low, found.high)))
    return tuple(points)


def _sizes(votes: Votes) -> tuple[SizeNeeded, ...]:
    if not votes.decided:
        return ()
    share = votes.decided / votes.units
    return tuple(
        SizeNeeded(wanted, interleaved_units_needed(InterleavedPlan(wanted, share))) for wanted in _SHOWN_PREFERENCES
    )
