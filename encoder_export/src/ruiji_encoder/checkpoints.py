"""SigLIP checkpoints in and out, from the Hugging Face hub or a folder, always in the transformers layout.

SigLIP 2 checkpoints of fixed resolution declare the same architecture and load the same way. Checkpoints whose picture
tower is a backbone of `backbones` have a model type of their own, and load here alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import torch
from ruiji_encoding.pictures import PICTURE_SIZE_PX
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoTokenizer,
    PreTrainedModel,
    SiglipConfig,
    SiglipModel,
    SiglipTextModel,
    SiglipVisionConfig,
    SiglipVisionModel,
)
from transformers.utils import logging as transformers_logging

from ruiji_encoder.backbones.efficientnet_lite import LiteVisionConfig, LiteVisionTower
from ruiji_encoder.backbones.siglip_lite import LiteSiglipConfig, LiteSiglipModel
from ruiji_encoder.backbones.variants import VARIANTS
from ruiji_encoder.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

VisionTower: TypeAlias = SiglipVisionModel | LiteVisionTower
"""What turns pictures into features: `tower(pixel_values=...).pooler_output`, shape (n, `config.hidden_size`)."""

_Model = TypeVar("_Model", bound=PreTrainedModel)

_FULL_MODELS: dict[str, type[SiglipModel]] = {"siglip": SiglipModel, LiteSiglipConfig.model_type: LiteSiglipModel}
_VISION_TOWERS: dict[str, type[VisionTower]] = {
    "siglip": SiglipVisionModel,
    "siglip_vision_model": SiglipVisionModel,
    LiteSiglipConfig.model_type: LiteVisionTower,
    LiteVisionConfig.model_type: LiteVisionTower,
}


def load_siglip(checkpoint: str | Path, *, revision: str = "main") -> SiglipModel:
    """Load both towers in fp32, for training.

    Args:
        checkpoint: a hub name such as `google/siglip-base-patch16-256-multilingual`, or a folder.
        revision: branch, tag or commit on the hub; pin a commit where a run has to repeat. Ignored for a folder.

    Raises:
        CheckpointError: it cannot be found or read, is no SigLIP, or takes pictures of another size than 256 px.
    """
    kind = _load_config(checkpoint, revision, accepted=_FULL_MODELS)
    model = _load_weights(_FULL_MODELS[kind], checkpoint, revision, attention="sdpa")
    if isinstance(model.vision_model, LiteVisionTower):
        model.vision_model.lock_trunk()
    return model


def has_vision_tower(model_type: str) -> bool:
    """Tell whether `load_vision_tower` knows checkpoints of this type."""
    return model_type in _VISION_TOWERS


def load_vision_tower(checkpoint: str | Path, *, revision: str = "main") -> VisionTower:
    """Load the vision half of a checkpoint in fp32 and evaluation mode, for features and export.

    Attention is the eager kind: plain matrix products and a softmax, which every runtime of ONNX knows.

    Args:
        checkpoint: a hub name or a folder, of a whole SigLIP or of its vision half.
        revision: as for `load_siglip`.

    Raises:
        CheckpointError: as for `load_siglip`.
    """
    kind = _load_config(checkpoint, revision, accepted=_VISION_TOWERS)
    tower: VisionTower = _load_weights(_VISION_TOWERS[kind], checkpoint, revision, attention="eager")
    tower.train(False)
    return tower


def load_text_tower(checkpoint: str | Path, *, revision: str = "main") -> SiglipTextModel:
    """Load the text half of a checkpoint in fp32 and evaluation mode, for export; attention as for `load_vision_tower`.

    Raises:
        CheckpointError: as for `load_siglip`.
    """
    _load_config(checkpoint, revision, accepted=_FULL_MODELS)
    tower = _load_weights(SiglipTextModel, checkpoint, revision, attention="eager")
    tower.train(False)
    return tower


def load_tokenizer(checkpoint: str | Path, *, revision: str = "main") -> PreTrainedTokenizerBase:
    """Load the tokenizer that belongs to a checkpoint.

    Raises:
        CheckpointError: the checkpoint has none, or it cannot be found.
    """
    _require_reachable_folder(checkpoint)
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(checkpoint), revision=revision)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot load a tokenizer from {_described(checkpoint)}: {_first_line(error)}") from error
    return tokenizer


def save_checkpoint(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write model and tokenizer so that `load_siglip`, `load_tokenizer` and any other transformers user can load them.

    It is written beside and renamed, so the folder holds the old checkpoint or the new one, never a mixture.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as name:
        aside = Path(name) / folder.name
        with _quiet_transformers():
            model.save_pretrained(aside)
            tokenizer.save_pretrained(aside)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)


def weights_sha256(tower: VisionTower | SiglipTextModel) -> str:
    """Hash what decides a tower's answers: its weights, and the settings that no weight's shape shows.

    The same for a tower loaded alone and for one inside a whole SigLIP, and independent of file format, device and
    attention implementation.

    Returns:
        SHA-256 in hex.
    """
    config = tower.config
    digest = hashlib.sha256()
    if isinstance(config, LiteVisionConfig):
        digest.update(f"{config.variant} {config.backbone_px}\n".encode())
    else:
        digest.update(f"{config.num_attention_heads} {config.hidden_act} {config.layer_norm_eps!r}\n".encode())
    for name, tensor in sorted(tower.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype="<f4").tobytes())
    return digest.hexdigest()


def _load_config(checkpoint: str | Path, revision: str, *, accepted: Container[str]) -> str:
    _require_reachable_folder(checkpoint)
    try:
        with _quiet_transformers():
            config = AutoConfig.from_pretrained(str(checkpoint), revision=revision)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot load {_described(checkpoint)}: {_first_line(error)}. Check the name and the connection to the "
            "hub, or download the checkpoint and give its folder"
        ) from error
    if config.model_type not in accepted:
        raise CheckpointError(
            f"{_described(checkpoint)} is of architecture {config.model_type!r}; expected a SigLIP, such as "
            "google/siglip-base-patch16-256-multilingual"
        )
    _check_vision(checkpoint, config)
    return str(config.model_type)


def _check_vision(checkpoint: str | Path, config: PreTrainedConfig) -> None:
    vision = config.vision_config if isinstance(config, SiglipConfig) else config
    if not isinstance(vision, SiglipVisionConfig | LiteVisionConfig):
        raise CheckpointError(f"{_described(checkpoint)} has no vision_config in its config.json")
    if vision.image_size != PICTURE_SIZE_PX:
        raise CheckpointError(
            f"{_described(checkpoint)} takes pictures of {vision.image_size} px; Ruiji's preprocessing makes "
            f"{PICTURE_SIZE_PX} px. Choose the checkpoint's -{PICTURE_SIZE_PX} sibling"
        )
    if isinstance(vision, LiteVisionConfig) and vision.variant not in VARIANTS:
        raise CheckpointError(
            f"{_described(checkpoint)} has the backbone {vision.variant!r}; this release knows {', '.join(VARIANTS)}"
        )
    if not vision.vision_use_head:
        raise CheckpointError(f"{_described(checkpoint)} has no pooling head, so it yields no vector per picture")


def _load_weights(kind: type[_Model], checkpoint: str | Path, revision: str, *, attention: str) -> _Model:
    try:
        with _quiet_transformers():
            # Typed as the model alone; with output_loading_info it is a pair.
            loaded: Any = kind.from_pretrained(
                str(checkpoint),
                revision=revision,
                attn_implementation=attention,
                dtype=torch.float32,
                output_loading_info=True,
                # Pickled weights can run code.
                use_safetensors=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"cannot load the weights of {_described(checkpoint)}: {_first_line(error)}") from error
    model: _Model = loaded[0]
    report: dict[str, Any] = loaded[1]
    absent = sorted(str(key) for key in (*report["missing_keys"], *report["mismatched_keys"]))
    if absent:
        # transformers would leave these random.
        raise CheckpointError(
            f"{_described(checkpoint)} lacks {len(absent)} of the model's weights, the first being {absent[0]}: "
            "the checkpoint is incomplete or its config.json belongs to another"
        )
    return model


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[None]:
    # It draws progress bars of its own, and its report about the text half that goes unused would alarm. What matters
    # in that report is checked here.
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers lacks the types
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # as above


def _require_reachable_folder(checkpoint: str | Path) -> None:
    # A hub name is `name` or `owner/name`; whatever else is meant as a path must exist, or the hub would be asked.
    text = str(checkpoint)
    meant_as_path = isinstance(checkpoint, Path) or text.startswith((".", "/", "~")) or text.count("/") > 1
    if meant_as_path and not Path(text).is_dir():
        raise CheckpointError(f"checkpoint folder {text} does not exist")


def _described(checkpoint: str | Path) -> str:
    return f"checkpoint folder {checkpoint}" if Path(checkpoint).is_dir() else f"checkpoint {checkpoint} of the hub"


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
