"""The sigmoid loss of SigLIP.

Zhai, Mustafa, Kolesnikov, Beyer, "Sigmoid Loss for Language Image Pre-Training", ICCV 2023, https://arxiv.org/abs/2303.15343
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import logsigmoid, normalize

if TYPE_CHECKING:
    from collections.abc import Sequence


def sigmoid_loss(
    picture_features: torch.Tensor,
    text_features: torch.Tensor,
    logit_scale: torch.Tensor,
    logit_bias: torch.Tensor,
    matches: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return -1/B sum_ij log sigmoid(z_ij (t x_i . y_j + b)), with t = exp(logit_scale) and unit x and y.

    Every pair of the batch is a yes-or-no question of its own, so no softmax over the batch is needed.

    Args:
        picture_features: shape (B, D), any length.
        text_features: shape (B, D), any length; row i was said of picture i.
        logit_scale: logarithm of the temperature t, one learnable number; the paper starts at log 10.
        logit_bias: b, one learnable number; the paper starts at -10, against the many negatives.
        matches: bool, shape (B, B): z_ij = 1 where true, else -1. By default the diagonal, as in the paper.

    Returns:
        A scalar.
    """
    batch = len(picture_features)
    if matches is None:
        matches = torch.eye(batch, dtype=torch.bool, device=picture_features.device)
    return summed_sigmoid_loss(picture_features, text_features, logit_scale, logit_bias, matches) / batch


def summed_sigmoid_loss(
    picture_features: torch.Tensor,
    text_features: torch.Tensor,
    logit_scale: torch.Tensor,
    logit_bias: torch.Tensor,
    matches: torch.Tensor,
) -> torch.Tensor:
    """Return the sum over one block of pairs, not yet divided by the batch: blocks of one batch add up.

    Args:
        picture_features: shape (m, D), any length.
        text_features: shape (n, D), any length.
        logit_scale: as for `sigmoid_loss`.
        logit_bias: as for `sigmoid_loss`.
        matches: bool, shape (m, n).

    Returns:
        A scalar.
    """
    pictures = normalize(picture_features, dim=-1)
    texts = normalize(text_features, dim=-1)
    logits = pictures @ texts.T * logit_scale.exp() + logit_bias
    signs = torch.where(matches, 1.0, -1.0)
    return -logsigmoid(signs * logits).sum()


def true_pairs(chosen: Sequence[str], captions: Sequence[Sequence[str]]) -> torch.Tensor:
    """Return which of a batch's texts are true of which pictures, as `matches` for `sigmoid_loss`.

    Listings share titles, and all of a category share its name; without this, the loss would push a picture away from
    words that describe it.

    Args:
        chosen: the text of each row, B of them.
        captions: all that is true of each picture, B sequences; another number for a block of a batch.

    Returns:
        bool, shape (B, B): whether text j is among the captions of picture i.
    """
    columns: dict[str, list[int]] = {}
    for column, text in enumerate(chosen):
        columns.setdefault(text, []).append(column)
    # By look-up rather than by comparing B x B texts, which would take longer than the towers at a batch of thousands.
    places = [(row, column) for row, known in enumerate(captions) for text in known for column in columns.get(text, ())]
    matches = torch.zeros(len(captions), len(chosen), dtype=torch.bool)
    if places:
        matches[tuple(torch.tensor(places).T)] = True
    return matches
