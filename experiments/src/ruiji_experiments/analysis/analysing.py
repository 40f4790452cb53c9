"""Puts an analysis together: events in, everything that was found out."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Protocol

import numpy as np
from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder

from ruiji_experiments.analysis.assignment_check import check_assignment
from ruiji_experiments.analysis.counts import ExperimentLog
from ruiji_experiments.analysis.guardrails import check_guardrails
from ruiji_experiments.analysis.lifts import lift_figures, variant_figures
from ruiji_experiments.analysis.multiplicity import corrected
from ruiji_experiments.analysis.results import METRICS, ExperimentAnalysis, LiftFigures
from ruiji_experiments.analysis.segments import Segmentation, segment_lifts
from ruiji_experiments.analysis.timeline import timeline
from ruiji_experiments.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ruiji_experiments.analysis.counts import UnitSums
    from ruiji_experiments.analysis.settings import AnalysisSettings

_STEPS = ("events", "lifts", "guardrails", "segments", "days")


class Stages(Protocol):
    """Told of the steps of an analysis."""

    def stage(self, name: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """Open a stage of `total` steps; what it yields is told the number of steps done since the last call."""
        ...


class NoStages:
    """For callers that do not watch."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002  (the protocol's names)
        """Open a stage that nobody watches."""
        yield lambda _steps: None


def analyse(
    events: str,
    settings: AnalysisSettings,
    *,
    segmentations: Sequence[Segmentation] = (),
    stages: Stages | None = None,
) -> ExperimentAnalysis:
    """Analyse an experiment.

    Args:
        events: folder or URL of the events' tables.
        settings: what is asked.
        segmentations: how to divide it.
        stages: told of the progress.

    Raises:
        LogError: the events hold nothing of the experiment.
        PartitionError: the events cannot be read (`ruiji_events.errors`).
        SettingsError: the log has no such control, or variants that the shares do not name.
    """
    first = None
    if settings.start is not None:
        first = (settings.start.astimezone(UTC) - timedelta(days=settings.pre_period_days)).date()
    with (
        EventQueries(EventFolder(events), first=first) as queries,
        (stages or NoStages()).stage("Analyse", len(_STEPS)) as advance,
    ):
        # Progress is the caller's to show.
        queries.connection.execute("SET enable_progress_bar = false")
        log = ExperimentLog(queries.connection, settings)
        units = log.assigned_units()
        shares = _shares(units, settings)
        sums, capped = _winsorised(log.unit_sums(), settings)
        variants = [settings.control, *(name for name in sorted(shares) if name != settings.control)]
        there = [name for name in variants if name in sums.variants]
        if settings.control not in there:
            raise SettingsError(f"the control {settings.control!r} has no unit left after exclusions")
        advance(1)
        lifts = _lifts(sums, there[1:], settings)
        advance(1)
        guardrails = check_guardrails(
            log.guardrail_requests(), settings.control, there[1:], settings.margins, settings.confidence
        )
        advance(1)
        segments = [
            found
            for segmentation in segmentations
            for found in segment_lifts(
                segmentation.name, log.segment_sums(segmentation.load(queries.connection)), there[1:], settings
            )
        ]
        advance(1)
        points = timeline(log.daily_sums(), sums, there[1:], settings)
        advance(1)
        return ExperimentAnalysis(
            settings=settings,
            span=log.span,
            assignment=check_assignment(units, shares),
            shares_were_given=bool(settings.shares),
            left_out=log.left_out() | capped,
            variants=tuple(variant_figures(sums, name, settings.confidence) for name in there),
            lifts=lifts,
            guardrails=guardrails,
            segments=tuple(segments),
            timeline=points,
        )


def _shares(units: dict[str, int], settings: AnalysisSettings) -> dict[str, float]:
    if settings.control not in units:
        raise SettingsError(
            f"no unit was given the control {settings.control!r}; the log has {', '.join(units) or 'no unit'}"
        )
    if not settings.shares:
        return dict.fromkeys(units, 1.0)
    strangers = sorted(units.keys() - settings.shares.keys())
    if strangers:
        raise SettingsError(f"the log has variants without a planned share: {', '.join(strangers)}")
    return dict(settings.shares)


def _winsorised(sums: UnitSums, settings: AnalysisSettings) -> tuple[UnitSums, dict[str, int]]:
    if settings.winsorise_at is None:
        return sums, {}
    during, capped = {}, np.zeros(len(sums.variant), bool)
    for name, values in sums.during.items():
        most = np.quantile(values, settings.winsorise_at)
        capped |= values > most
        during[name] = np.minimum(values, most)
    reason = f"units whose sums were capped at the {settings.winsorise_at:g} quantile"
    return replace(sums, during=during), {reason: int(capped.sum())}


def _lifts(sums: UnitSums, variants: Sequence[str], settings: AnalysisSettings) -> tuple[LiftFigures, ...]:
    found: list[LiftFigures] = []
    for metric in METRICS:
        figures = [lift_figures(sums, metric, variant, settings) for variant in variants]
        p_values = corrected([None if row.plain is None else row.plain.p_value for row in figures], "holm")
        found.extend(replace(row, p_corrected=p) for row, p in zip(figures, p_values, strict=True))
    order = list(variants)
    return tuple(sorted(found, key=lambda row: order.index(row.variant)))
