"""Checkpoints of the Hugging Face hub, zero-shot, run by PyTorch.

A SigLIP of 256 px goes the way of `ruiji encoder export`: Ruiji's own pixels, straight into its picture tower. Any
other model of transformers that yields one pooled vector (MobileNetV2, ViT, CLIP, ...) gets Ruiji's decoded 256 px
pictures through its own image processor.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ruiji_encoder.checkpoints import load_vision_tower, weights_sha256
from ruiji_encoder.features import tower_features
from ruiji_encoding.pictures import PICTURE_SIZE_PX, PREPROCESSING
from transformers import AutoConfig, AutoImageProcessor, AutoModel
from transformers.utils import logging as transformers_logging

from ruiji_evaluation.errors import EncoderUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class HubEncoder:
    """A pretrained model as its makers left it."""

    def __init__(self, checkpoint: str, *, revision: str = "main", threads: int = 1) -> None:
        """Load it, from the hub, its local cache, or a folder.

        Raises:
            EncoderUnavailable: it cannot be found or loaded, or yields no pooled vector.
            ruiji_encoder.errors.CheckpointError: it is a SigLIP that cannot be used.
        """
        torch.set_num_threads(threads)
        transformers_logging.set_verbosity(logging.ERROR)
        config = _config(checkpoint, revision)
        vision = getattr(config, "vision_config", config)
        self._run: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
        if config.model_type in {"siglip", "siglip_vision_model"} and vision.image_size == PICTURE_SIZE_PX:
            tower = load_vision_tower(checkpoint, revision=revision)
            self._run, digest = lambda pictures: next(iter(tower_features(tower, [pictures]))), weights_sha256(tower)
        else:
            self._run, digest = _generic(checkpoint, revision)
        self.key = f"hub-{hashlib.sha256(f'{digest} {PREPROCESSING}'.encode()).hexdigest()[:32]}"
        self.description = f"{checkpoint}, {config.model_type}, zero-shot, PyTorch fp32"

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the pooled output, shape (n, D), float32."""
        return self._run(pictures)


def _config(checkpoint: str, revision: str) -> Any:  # noqa: ANN401  (transformers' own union of all models)
    if checkpoint.startswith((".", "/", "~")) and not Path(checkpoint).is_dir():
        raise EncoderUnavailable(f"checkpoint folder {checkpoint} does not exist")
    try:
        return AutoConfig.from_pretrained(checkpoint, revision=revision)
    except (OSError, ValueError) as error:
        raise EncoderUnavailable(_unavailable(checkpoint, error)) from error


def _generic(checkpoint: str, revision: str) -> tuple[Callable[[NDArray[np.uint8]], NDArray[np.float32]], str]:
    try:
        processors: Any = AutoImageProcessor  # it lacks types
        processor = processors.from_pretrained(checkpoint, revision=revision, backend="pil")
        # Pickled weights can run code.
        model: Any = AutoModel.from_pretrained(checkpoint, revision=revision, dtype=torch.float32, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise EncoderUnavailable(_unavailable(checkpoint, error)) from error
    model.train(False)
    pooled = getattr(model, "get_image_features", model)

    @torch.inference_mode()
    def run(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        answer = pooled(pixel_values=processor(images=list(pictures), return_tensors="pt")["pixel_values"])
        vectors = answer if isinstance(answer, torch.Tensor) else getattr(answer, "pooler_output", None)
        if vectors is None:
            raise EncoderUnavailable(f"checkpoint {checkpoint} has no pooled output: there is no vector for a picture")
        features: NDArray[np.float32] = vectors.reshape(len(pictures), -1).to(torch.float32).numpy()
        return features

    digest = hashlib.sha256(processor.to_json_string().encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    return run, digest.hexdigest()


def _unavailable(checkpoint: str, error: BaseException) -> str:
    first_line = str(error).strip().partition("\n")[0].rstrip(".")
    return (
        f"checkpoint {checkpoint} cannot be loaded: {first_line}. Check the name and the connection to the hub, or "
        "download the checkpoint elsewhere and give its folder; without it, take its encoder out of the study"
    )
