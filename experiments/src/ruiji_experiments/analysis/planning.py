"""What a past experiment says about the next one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ruiji_events.queries import EventQueries
from ruiji_events.storage import EventFolder

from ruiji_experiments.analysis.counts import ExperimentLog
from ruiji_experiments.analysis.ratio import ratio_estimate
from ruiji_experiments.errors import SettingsError

if TYPE_CHECKING:
    from ruiji_experiments.analysis.results import Metric
    from ruiji_experiments.analysis.settings import AnalysisSettings


def unit_deviation(events: str, settings: AnalysisSettings, metric: Metric) -> float:
    """Return how units of the control deviate, as `sample_size.Plan` wants it; NaN if nothing happened.

    Args:
        events: folder or URL of the events' tables.
        settings: the past experiment and its control.
        metric: of which.

    Raises:
        LogError: the events hold nothing of the experiment.
        SettingsError: nobody was in the control.
    """
    with EventQueries(EventFolder(events)) as queries:
        sums = ExperimentLog(queries.connection, settings).unit_sums()
    if settings.control not in sums.variants:
        raise SettingsError(f"no unit was in {settings.control!r}; the log has {', '.join(sums.variants)}")
    units = sums.of(settings.control)
    estimate = ratio_estimate(sums.during[metric.numerator][units], sums.during[metric.denominator][units])
    return math.sqrt(float(estimate.log_variance) * estimate.units)
