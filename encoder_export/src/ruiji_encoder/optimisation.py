"""What moves the weights: AdamW as SigLIP uses it, Muon from random weights, and how the learning rate runs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from torch import nn


def parameter_groups(
    model: nn.Module, weight_decay: float, *, without: Collection[nn.Parameter] = ()
) -> list[dict[str, Any]]:
    """Split parameters into those that decay (matrices and kernels) and those that do not.

    Those in `without` are in neither.

    Biases, norms, the temperature and the logit bias are vectors or single numbers whose size carries meaning; position
    and token embeddings are tables whose rare rows would fade.
    """
    tables = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    elsewhere = {id(parameter) for parameter in without}
    decaying: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad and id(parameter) not in elsewhere:
            (decaying if parameter.ndim >= 2 and id(parameter) not in tables else kept).append(parameter)
    return [{"params": decaying, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]


class Muon(torch.optim.Optimizer):
    """Momentum whose updates are made orthogonal, for the matrices inside transformer layers.

    After Jordan and others, "Muon: An optimizer for hidden layers in neural networks" (2024): every direction of a
    matrix moves equally far, which gets a transformer off the ground in a fraction of AdamW's steps. torch's own
    version computes in bfloat16, which CPUs emulate ten times slower than this.
    """

    def __init__(
        self, matrices: Sequence[nn.Parameter], *, lr: float, weight_decay: float = 0.0, momentum: float = 0.95
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # returns no loss
        """Move every matrix that has a gradient.

        Raises:
            ValueError: a closure was given; there is no use for one here.
        """
        if closure is not None:
            raise ValueError("Muon takes no closure")
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                average = state.setdefault("average", torch.zeros_like(matrix))
                average.lerp_(matrix.grad, 1 - group["momentum"])
                direction = orthogonalised(matrix.grad.lerp(average, group["momentum"]))
                rows, columns = matrix.shape
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(direction, alpha=-group["lr"] * math.sqrt(max(1.0, rows / columns)))


def orthogonalised(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Return nearly U V^T of a matrix U S V^T by a quintic Newton-Schulz iteration; singular values end near 1.

    Args:
        matrix: shape (m, n), float32.
        steps: of the iteration; 5 bring every singular value that counts into 0.7 to 1.2.
    """
    wide: torch.Tensor = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (-4.7750 * gram + 2.0315 * gram @ gram) @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Return the weight matrices inside transformer layers, which are those that Muon is for."""
    return [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and ".layers." in name and parameter.requires_grad
    ]


def warmup_cosine(step: int, *, warmup_steps: int, total_steps: int) -> float:
    """Return the share of the peak learning rate at a step: a straight rise to 1, then half a cosine down to 0.

    Args:
        step: from 0 to total_steps - 1.
        warmup_steps: steps of the rise; the first is not wasted at 0.
        total_steps: length of the run.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(total_steps - warmup_steps, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
