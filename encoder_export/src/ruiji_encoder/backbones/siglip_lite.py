"""SigLIP with EfficientNet-Lite0 in the place of its vision transformer; text tower, loss and all else are SigLIP's.

Checkpoints are in the transformers layout, with a model type of their own: other programs refuse them by name.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn
from transformers import AutoConfig, SiglipConfig, SiglipModel, SiglipTextConfig, SiglipTextModel
from transformers.models.siglip.modeling_siglip import SiglipPreTrainedModel

from ruiji_encoder.backbones.efficientnet_lite import TRUNKS, LiteVisionConfig, LiteVisionTower
from ruiji_encoder.errors import TrainingError


class LiteSiglipConfig(SiglipConfig):  # type: ignore[no-untyped-call]  # transformers lacks the types
    """Sizes of both towers."""

    model_type = "ruiji_siglip_efficientnet_lite0"
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
    tower = model.vision_model
    if not isinstance(tower, LiteVisionTower):
        raise TrainingError("a trunk was chosen, and the picture tower is SigLIP's own")
    if trunk_blocks not in TRUNKS:
        raise TrainingError(f"a trunk of {trunk_blocks} blocks is not among {', '.join(map(str, TRUNKS))}")
    tower.config.trunk_blocks = trunk_blocks
    tower.lock_trunk()


AutoConfig.register(LiteSiglipConfig.model_type, LiteSiglipConfig)
AutoConfig.register(LiteVisionConfig.model_type, LiteVisionConfig)
