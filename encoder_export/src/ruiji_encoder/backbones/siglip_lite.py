"""SigLIP with an EfficientNet-Lite in the place of its vision transformer; text tower, loss and all else are SigLIP's.

Checkpoints are in the transformers layout, with a model type of their own: other programs refuse them by name.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn
from transformers import AutoConfig, SiglipConfig, SiglipModel, SiglipTextConfig, SiglipTextModel
from transformers.models.siglip.modeling_siglip import SiglipPreTrainedModel

from ruiji_encoder.backbones.efficientnet_lite import (
    BACKBONE_SIZES_PX,
    LiteVisionConfig,
    LiteVisionTower,
)
from ruiji_encoder.errors import TrainingError


class LiteSiglipConfig(SiglipConfig):  # type: ignore[no-untyped-call]  # transformers lacks the types
    """Sizes of both towers."""

    model_type = "ruiji_siglip_efficientnet_lite"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {
        "vision_config": LiteVisionConfig,
        "text_config": SiglipTextConfig,
    }


class LiteSiglipModel(SiglipModel):  # type: ignore[no-untyped-call]  # transformers lacks the types
    """Both towers."""

    config_class = LiteSiglipConfig
    config: LiteSiglipConfig

    def __init__(self, config: LiteSiglipConfig) -> None:
        # SiglipModel's own would build the vision transformer that this one is without.
        SiglipPreTrainedModel.__init__(self, config)
        self.text_model = SiglipTextModel._from_config(config.text_config)  # type: ignore[no-untyped-call]  # transformers lacks the types
        self.vision_model = LiteVisionTower._from_config(config.vision_config)  # type: ignore[no-untyped-call]  # transformers lacks the types
        self.logit_scale = nn.Parameter(torch.zeros(1))
        self.logit_bias = nn.Parameter(torch.zeros(1))
        self.post_init()  # type: ignore[no-untyped-call]  # transformers lacks the types


def set_trunk(model: SiglipModel, trunk_blocks: int) -> None:
    """Choose anew how much of the picture tower stays as it is.

    Raises:
        TrainingError: the picture tower is no backbone, or there is no such trunk.
    """
    tower = _backbone_of(model, "a trunk")
    tower.variant.check_trunk(trunk_blocks)
    tower.config.trunk_blocks = trunk_blocks
    tower.lock_trunk()


def set_backbone_px(model: SiglipModel, backbone_px: int) -> None:
    """Choose anew at which size the backbone sees pictures.

    Raises:
        TrainingError: the picture tower is no backbone, or there is no such size.
    """
    tower = _backbone_of(model, "a size for the backbone's pictures")
    check_backbone_px(backbone_px)
    tower.config.backbone_px = backbone_px


def check_backbone_px(backbone_px: int) -> None:
    """Refuse a size at which no backbone sees pictures.

    Raises:
        TrainingError: it is such a size.
    """
    if backbone_px not in BACKBONE_SIZES_PX:
        raise TrainingError(
            f"pictures of {backbone_px} px for the backbone are not among {', '.join(map(str, BACKBONE_SIZES_PX))}"
        )


def _backbone_of(model: SiglipModel, what: str) -> LiteVisionTower:
    tower = model.vision_model
    if not isinstance(tower, LiteVisionTower):
        raise TrainingError(f"{what} was chosen, and the picture tower is SigLIP's own")
    return tower


AutoConfig.register(LiteSiglipConfig.model_type, LiteSiglipConfig)
AutoConfig.register(LiteVisionConfig.model_type, LiteVisionConfig)
