"""EfficientNet-Lite as a picture tower, in the layout of transformers.

Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
https://arxiv.org/abs/1905.11946. The Lite variants, whose sizes are in `variants`, have ReLU6 and no
squeeze-and-excitation, so that int8 loses little.
Batch norms are folded into the convolutions before them: a tower that begins with known statistics and is trained on
small batches does better without fresh ones, and what is trained is what is exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from ruiji_encoding.pictures import PICTURE_SIZE_PX
from torch import nn
from torch.nn.functional import avg_pool2d, gelu, pad, relu6
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ruiji_encoder.backbones.variants import STEM_CHANNELS, TOP_CHANNELS, VARIANTS, Variant

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


BACKBONE_SIZES_PX = (PICTURE_SIZE_PX, PICTURE_SIZE_PX // 2)
"""Sides that pictures may have where the backbone begins. Half of it is a quarter of the work."""

_SMALLEST_VARIANCE = 1e-6
_SMALLEST_DEVIATION = 1e-3


class LiteVisionConfig(PreTrainedConfig):  # type: ignore[no-untyped-call]  # transformers lacks the types
    """What is not fixed about the tower."""

    model_type = "ruiji_efficientnet_lite"
    base_config_key = "vision_config"

    variant: str = "efficientnet-lite0"
    """Of `variants.VARIANTS`."""
    hidden_size: int = 256
    """Length of the features, that is of the space that both towers share."""
    head_size: int = 1024
    """Width of the head's hidden layer."""
    head_dropout: float = 0.3
    """Of the head's input and of its hidden layer, while training."""
    image_size: int = PICTURE_SIZE_PX
    """Side of the pictures that come in."""
    backbone_px: int = PICTURE_SIZE_PX
    """Side at which the backbone sees them, of `BACKBONE_SIZES_PX`; the tower halves them itself, by means of 2 x 2."""
    trunk_blocks: int = 0
    """Blocks that stay as they are, counted from the pictures' side: 0 to all, or `Variant.whole`."""
    vision_use_head: bool = True
    """There is always a vector for each picture; for those who ask as they would ask a SigLIP."""


class LiteVisionTower(PreTrainedModel):  # type: ignore[no-untyped-call]  # transformers lacks the types
    """Pictures, or what a trunk made of them, in; one feature vector for each out."""

    config_class = LiteVisionConfig
    base_model_prefix = "vision_model"
    main_input_name = "pixel_values"
    # It has no attention at all, so every kind of it will do.
    _supports_sdpa = True

    def __init__(self, config: LiteVisionConfig) -> None:
        super().__init__(config)
        self.variant = VARIANTS[config.variant]
        self.stem = SameConvolution(3, STEM_CHANNELS, kernel=3, stride=2)
        self.blocks: Sequence[InvertedResidual] = nn.ModuleList(_blocks(self.variant))  # type: ignore[assignment]
        self.top = SameConvolution(self.variant.stages[-1].channels, TOP_CHANNELS, kernel=1)
        self.head = Head(self.variant.head_input, config.head_size, config.hidden_size, config.head_dropout)
        self.post_init()  # type: ignore[no-untyped-call]  # transformers lacks the types

    def trunk(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return all that the rest of the tower needs of pictures, one row of numbers each, shape (n, K), float32.

        Args:
            pixel_values: as `normalise_pixels` gives them, shape (n, 3, 256, 256).
        """
        end = self.config.trunk_blocks
        maps, looks = self._through(self._begun(pixel_values), [], 0, end)
        rest = self._pooled(maps) if end == self.variant.whole else maps.permute(0, 2, 3, 1).flatten(1)
        return torch.cat([*looks, rest], dim=1)

    def head_input(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Return what the head sees of pictures, shape (n, `Variant.head_input`), float32; argument as for `trunk`."""
        maps, looks = self._through(self._begun(pixel_values), [], 0, self.variant.blocks)
        return torch.cat([*looks, self._pooled(maps)], dim=1)

    def head_input_of_rows(self, trunk_rows: torch.Tensor) -> torch.Tensor:
        """Return what the head sees of pictures of which `trunk` returned these rows."""
        end = self.config.trunk_blocks
        if end == self.variant.whole:
            return trunk_rows
        looked = self.variant.looked_at_numbers(end)
        # Channels last as they lie in the row; the strides tell the convolutions.
        side, channels = self.variant.map_shape(end, self.config.backbone_px)
        maps = trunk_rows[:, looked:].reshape(-1, side, side, channels).permute(0, 3, 1, 2)
        maps, looks = self._through(maps, [trunk_rows[:, :looked]], end, self.variant.blocks)
        return torch.cat([*looks, self._pooled(maps)], dim=1)

    def forward(
        self,
        pixel_values: torch.Tensor | None = None,
        *,
        trunk_rows: torch.Tensor | None = None,
        **_: Any,  # noqa: ANN401  (what transformers hands to every tower)
    ) -> BaseModelOutputWithPooling:
        """Compute features.

        Args:
            pixel_values: as for `trunk`; or
            trunk_rows: what `trunk` returned.

        Raises:
            ValueError: neither or both were given.
        """
        if pixel_values is not None and trunk_rows is None:
            seen = self.head_input(pixel_values)
        elif trunk_rows is not None and pixel_values is None:
            seen = self.head_input_of_rows(trunk_rows)
        else:
            raise ValueError("give pixel_values or trunk_rows")
        return BaseModelOutputWithPooling(pooler_output=self.head(seen))

    def trunk_weights(self) -> dict[str, nn.Parameter]:
        """Return the weights that stay as they are, by name."""
        if not self.config.trunk_blocks:
            return {}
        of_trunk = [
            "stem.",
            *(f"blocks.{number}." for number in range(min(self.config.trunk_blocks, self.variant.blocks))),
        ]
        if self.config.trunk_blocks == self.variant.whole:
            of_trunk.append("top.")
        return {name: weight for name, weight in self.named_parameters() if name.startswith(tuple(of_trunk))}

    def lock_trunk(self) -> None:
        """Take what stays as it is out of training, and only that."""
        locked = self.trunk_weights()
        for name, weight in self.named_parameters():
            weight.requires_grad_(name not in locked)

    def pretrained_weights(self) -> list[nn.Parameter]:
        """Return all weights but those of the head, which ImageNet knows nothing of."""
        return [weight for name, weight in self.named_parameters() if not name.startswith("head.")]

    def _begun(self, pixel_values: torch.Tensor) -> torch.Tensor:
        halved = self.config.backbone_px < self.config.image_size
        seen = avg_pool2d(pixel_values, 2) if halved else pixel_values
        return relu6(self.stem(seen))

    def _through(
        self, maps: torch.Tensor, looks: list[torch.Tensor], start: int, end: int
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        found = list(looks)
        for number in range(start, min(end, self.variant.blocks)):
            maps = self.blocks[number](maps)
            if number + 1 in self.variant.looked_at:
                mean = maps.mean(dim=(2, 3))
                spread = ((maps - mean[:, :, None, None]) ** 2).mean(dim=(2, 3))
                found += [mean, (spread + _SMALLEST_VARIANCE).sqrt()]
        return maps, found

    def _pooled(self, maps: torch.Tensor) -> torch.Tensor:
        return relu6(self.top(maps)).mean(dim=(2, 3))


class Head(nn.Module):
    """Two layers over standardised inputs."""

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, incoming: int, hidden: int, outgoing: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(incoming))
        self.register_buffer("deviation", torch.ones(incoming))
        self.dropout = nn.Dropout(dropout)
        self.first = nn.Linear(incoming, hidden)
        self.second = nn.Linear(hidden, outgoing)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Turn rows of numbers into features."""
        standard = self.dropout((rows - self.mean) / self.deviation)
        features: torch.Tensor = self.second(self.dropout(gelu(self.first(standard), approximate="tanh")))
        return features

    @torch.no_grad()
    def standardise(self, rows: torch.Tensor) -> None:
        """Measure the inputs' means and deviations once, before training; several hundred rows will do."""
        self.mean.copy_(rows.mean(dim=0))
        self.deviation.copy_(rows.std(dim=0).clamp(min=_SMALLEST_DEVIATION))


class SameConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow pads it: with stride 2, one row and column more at the end than before."""

    def __init__(self, incoming: int, outgoing: int, *, kernel: int, stride: int = 1, groups: int = 1) -> None:
        even = kernel // 2 if stride == 1 else 0
        super().__init__(incoming, outgoing, kernel, stride, padding=even, groups=groups)
        missing = kernel - stride if stride > 1 else 0
        self._before, self._after = missing // 2, missing - missing // 2

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Convolve maps whose sides the stride divides."""
        if self._after:
            maps = pad(maps, (self._before, self._after, self._before, self._after))
        return super().forward(maps)


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow; and add what came in where the shapes allow."""

    def __init__(self, incoming: int, outgoing: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = incoming * expansion
        self.expand = SameConvolution(incoming, inner, kernel=1) if expansion > 1 else None
        self.depthwise = SameConvolution(inner, inner, kernel=kernel, stride=stride, groups=inner)
        self.narrow = SameConvolution(inner, outgoing, kernel=1)
        self._adds = stride == 1 and incoming == outgoing

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Return maps of the outgoing channels."""
        inner = maps if self.expand is None else relu6(self.expand(maps))
        narrowed: torch.Tensor = self.narrow(relu6(self.depthwise(inner)))
        return maps + narrowed if self._adds else narrowed


def _blocks(variant: Variant) -> list[InvertedResidual]:
    blocks, incoming = [], STEM_CHANNELS
    for stage in variant.stages:
        for number in range(stage.blocks):
            blocks.append(
                InvertedResidual(
                    incoming,
                    stage.channels,
                    kernel=stage.kernel,
                    stride=stage.stride if number == 0 else 1,
                    expansion=stage.expansion,
                )
            )
            incoming = stage.channels
    return blocks
