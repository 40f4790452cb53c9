"""A model of taps for the doubly robust estimate: logistic regression by statsmodels, on position and what ranks items.

It is fitted on half of the units and asked about the other half, both ways round, so that no tap explains itself (cross
fitting; Chernozhukov and others, "Double/debiased machine learning", 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import statsmodels.api as sm

from ruiji_experiments.replay.logged import FEATURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ruiji_experiments.analysis.ratio import Floats
    from ruiji_experiments.replay.logged import LoggedPages

_FOLDS = 2


@dataclass(frozen=True, slots=True)
class ModelledTaps:
    """Probabilities of a tap, shape (items,) each."""

    as_shown: Floats
    """Where each item stood."""
    as_wanted: Floats
    """Where another policy would have it; without meaning where it would not."""
    features: tuple[str, ...]
    """What the model knew besides the position: a feature that was not logged everywhere is left out."""


def model_taps(pages: LoggedPages, target: NDArray[np.int64]) -> ModelledTaps:
    """Fit the model and ask it about both places of every item."""
    known = tuple(name for name in FEATURES if not np.isnan(pages.features[name]).any())
    shown, wanted = (_inputs(pages, known, position) for position in (pages.position, np.maximum(target, 1)))
    as_shown, as_wanted = np.empty(len(shown)), np.empty(len(shown))
    fold = pages.unit % _FOLDS
    for held_out in range(_FOLDS):
        asked, fitted = fold == held_out, fold != held_out
        predict = _fitted(shown[fitted], pages.tapped[fitted])
        as_shown[asked], as_wanted[asked] = predict(shown[asked]), predict(wanted[asked])
    return ModelledTaps(as_shown, as_wanted, known)


def _inputs(pages: LoggedPages, features: tuple[str, ...], position: NDArray[np.int64]) -> Floats:
    columns = [np.ones(len(position)), np.log(position)]
    for name in features:
        values = np.log(pages.features[name]) if name == "price_ratio" else pages.features[name]
        # A feature that is the same everywhere says nothing, and would be a second constant.
        if values.std() > 0:
            columns.append(values)
    return np.column_stack(columns)


def _fitted(inputs: Floats, tapped: Floats) -> Callable[[Floats], Floats]:
    if not tapped.any() or tapped.all():
        share = float(tapped.mean()) if len(tapped) else 0.0
        return lambda asked: np.full(len(asked), share)
    model = sm.GLM(tapped, inputs, sm.families.Binomial()).fit()
    return lambda asked: np.asarray(model.predict(asked))
