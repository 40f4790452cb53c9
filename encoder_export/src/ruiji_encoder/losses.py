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
    pictures = normalize(picture_features, dim=-1)
    texts = normalize(text_features, dim=-1)
    logits = pictures @ texts.T * logit_scale.exp() + logit_bias
    if matches is None:
        matches = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    signs = torch.where(matches, 1.0, -1.0)
    return -logsigmoid(signs * logits).sum() / len(logits)


def true_pairs(chosen: Sequence[str], captions: Sequence[Sequence[str]]) -> torch.Tensor:
    """Return which of a batch's texts are true of which pictures, as `matches` for `sigmoid_loss`.

    Listings share titles, and all of a category share its name; without this, the loss would push a picture away from
    words that describe it.

    Args:
        chosen: the text of each row, B of them.
        captions: all that is true of each picture, B sequences.

    Returns:
        bool, shape (B, B): whether text j is among the captions of picture i.
    """
    return torch.tensor([[text in known for text in chosen] for known in map(frozenset, captions)])
