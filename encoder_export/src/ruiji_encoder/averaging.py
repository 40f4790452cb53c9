"""One checkpoint of several that were trained from the same one: the mean of their weights.

Wortsman, Ilharco et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time", ICML 2022, https://arxiv.org/abs/2203.05482. It holds for runs that began with the same
weights and stayed near each other; of strangers the mean is of no use, so judge it on the validation side.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from ruiji_encoder.checkpoints import load_siglip, load_tokenizer
from ruiji_encoder.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase, SiglipModel


def average_checkpoints(
    checkpoints: Sequence[Path | str], shares: Sequence[float] | None = None
) -> tuple[SiglipModel, PreTrainedTokenizerBase]:
    """Average the weights of both towers, temperature and bias; summed in fp64.

    Args:
        checkpoints: folders or hub names, at least two; of the same sizes and tokenizer.
        shares: of each in the mean, in any unit; all alike by default.

    Returns:
        The model, with what is not a weight from the first, and the tokenizer of all.

    Raises:
        CheckpointError: too few of them, shares that are no shares, or checkpoints that do not belong together.
    """
    if len(checkpoints) < 2:
        raise CheckpointError("a mean takes two checkpoints or more")
    shares = [1.0] * len(checkpoints) if shares is None else list(shares)
    if len(shares) != len(checkpoints) or not all(math.isfinite(share) and share > 0 for share in shares):
        raise CheckpointError(f"{len(checkpoints)} checkpoints take as many shares above 0, not {shares}")
    model, tokenizer = load_siglip(checkpoints[0]), load_tokenizer(checkpoints[0])
    weights = model.state_dict()
    sums = {name: weight.double() * shares[0] for name, weight in weights.items() if weight.is_floating_point()}
    for checkpoint, share in zip(checkpoints[1:], shares[1:], strict=True):
        other = load_siglip(checkpoint).state_dict()
        if {name: each.shape for name, each in other.items()} != {name: each.shape for name, each in weights.items()}:
            raise CheckpointError(f"{checkpoint} has weights of other sizes than {checkpoints[0]}: no mean of them")
        if load_tokenizer(checkpoint).get_vocab() != tokenizer.get_vocab():
            raise CheckpointError(f"{checkpoint} has another tokenizer than {checkpoints[0]}: no mean of them")
        for name, total in sums.items():
            total += other[name].double() * share
    with torch.no_grad():
        for name, total in sums.items():
            weights[name].copy_(total / sum(shares))
    return model, tokenizer
