"""Does a title find its picture, and a picture its title, among the embeddings that are served?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from ruiji_encoder.training.validation import RECALLS_AT, hits

from ruiji_evaluation.comparison import Figure
from ruiji_evaluation.errors import NothingToEvaluate
from ruiji_evaluation.statistics import bootstrap_means, percentile_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ruiji_evaluation.comparison import ResamplingSettings


@dataclass(frozen=True, slots=True)
class TextRetrieval:
    """Recall in both directions."""

    pictures: int
    """Pictures that asked, and were found."""
    texts: int
    """Different titles that asked, and were found."""
    text_of_picture: dict[int, Figure]
    """By k: share of pictures with a true title among the k nearest."""
    picture_of_text: dict[int, Figure]
    """By k: share of titles with a true picture among the k nearest."""


def evaluate_texts(
    picture_embeddings: NDArray[np.float32],
    text_embeddings: NDArray[np.float32],
    titles: Sequence[str],
    settings: ResamplingSettings,
) -> TextRetrieval:
    """Search titles by pictures and pictures by titles, exactly, by cosine.

    Args:
        picture_embeddings: shape (n, d), float32.
        text_embeddings: of the pictures' titles, shape (n, d), float32.
        titles: n of them; equal ones are one title.
        settings: of the intervals.

    Raises:
        NothingToEvaluate: fewer than two pairs.
    """
    if len(titles) < 2:
        raise NothingToEvaluate(f"{len(titles)} pairs of picture and title are too few to search among")
    of_pictures, of_texts = hits(
        torch.from_numpy(picture_embeddings),
        torch.from_numpy(text_embeddings),
        titles,
        [[title] for title in titles],
    )
    return TextRetrieval(
        pictures=len(of_pictures),
        texts=len(of_texts),
        text_of_picture=_figures(of_pictures, settings),
        picture_of_text=_figures(of_texts, settings),
    )


def _figures(found: Sequence[Sequence[bool]], settings: ResamplingSettings) -> dict[int, Figure]:
    values = np.array([[any(answers[:k]) for k in RECALLS_AT] for answers in found], np.float64)
    rng = np.random.default_rng(settings.seed)
    resampled = bootstrap_means(values, np.arange(len(values)), settings.resamples, rng)
    low, high = percentile_interval(resampled, settings.confidence)
    means = values.mean(axis=0)
    return {
        k: Figure(float(mean), float(below), float(above))
        for k, mean, below, above in zip(RECALLS_AT, means, low, high, strict=True)
    }
