"""The small encoder that ships with the demo: trained from scratch on rendered pictures, exported, gated, measured.

SigLIP's own architecture with far fewer weights: 32 px patches, 128 wide, 4 layers deep. It knows rendered products
and nothing else, and is made in minutes on two CPU cores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from ruiji_encoding.manifest import EncoderManifest, Precision
from ruiji_encoding.pictures import PICTURE_SIZE_PX
from transformers import SiglipConfig

from ruiji_encoder.augmentation import Augmentation
from ruiji_encoder.catalogue import FolderCatalogue
from ruiji_encoder.checkpoints import load_vision_tower
from ruiji_encoder.export import ExportSettings, export_encoder
from ruiji_encoder.features import batches_of, fit_projection_to
from ruiji_encoder.projection import save_projection
from ruiji_encoder.tokenizers import EOS_ID, PAD_ID, TEXT_LENGTH, train_tokenizer
from ruiji_encoder.training import TrainingProgress, TrainingSettings, new_siglip, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHECKPOINT_FOLDER = "checkpoint"
PROJECTION_FILE = "projection.npz"
CACHE_FOLDER = "pictures"

MIRROR_ONLY = Augmentation(scale=0.0, shift=0.0, rotation_degrees=0.0, brightness=0.0, contrast=0.0)

_BATCH_SIZE = 64
_TEMPERATURE = 5.0


@dataclass(frozen=True, slots=True)
class DemoArchitecture:
    """Sizes of both towers."""

    patch_px: int = 32
    """Side of a patch; a quarter of the work of 16 px."""
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

    def config(self, vocabulary: int) -> SiglipConfig:
        """Return the transformers configuration for a tokenizer of this many pieces."""
        return SiglipConfig(
            vision_config={
                "image_size": PICTURE_SIZE_PX,
                "patch_size": self.patch_px,
                "hidden_size": self.width,
                "intermediate_size": 4 * self.width,
                "num_hidden_layers": self.depth,
                "num_attention_heads": self.heads,
            },
            text_config={
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
            },
        )


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How the demo encoder is made."""

    architecture: DemoArchitecture = field(default_factory=DemoArchitecture)
    """Sizes of both towers."""
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=14,
            batch_size=64,
            learning_rate=2e-3,
            muon_learning_rate=0.02,
            weight_decay=0.05,
            warmup_share=0.03,
            augmentation=MIRROR_ONLY,
        )
    )
    """From random weights, so with far larger steps than fine-tuning. Rendered products vary enough by themselves."""
    precision: Precision = Precision.FP32
    """Of the exported graph."""
    threads: int = 2
    """CPU cores for decoding and training."""
    replace: bool = False
    """Whether an encoder that is already in the folder may be replaced."""


def make_demo_encoder(
    catalogue: Path,
    out: Path,
    work: Path,
    settings: DemoSettings,
    *,
    decoded: Callable[[int], None] | None = None,
    trained: Callable[[TrainingProgress], None] | None = None,
) -> EncoderManifest:
    """Train, fit, export and gate the demo encoder; one call does it all.

    Args:
        catalogue: a folder as `FolderCatalogue` reads it, such as the demo renders.
        out: where the artefact goes.
        work: for what is not shipped: decoded pictures, the checkpoint of both towers, the projection.
        settings: see there.
        decoded: told the number of pictures decoded since the last call.
        trained: called after every step of training.

    Raises:
        RuijiEncoderError: a step failed; the message says which and why.
    """
    torch.set_num_threads(settings.threads)
    data = FolderCatalogue(catalogue, cache=work / CACHE_FOLDER, threads=settings.threads, progress=decoded)
    tokenizer = train_tokenizer(
        (caption for row in range(len(data)) for caption in data.captions(row)),
        vocabulary_size=settings.architecture.vocabulary,
    )
    model = new_siglip(
        settings.architecture.config(len(tokenizer)),
        seed=settings.training.seed,
        temperature=_TEMPERATURE,
        bias=-math.log(settings.training.batch_size),
    )
    checkpoint = work / CHECKPOINT_FOLDER
    train(model, tokenizer, data, settings.training, progress=trained, checkpoint_folder=checkpoint)

    tower = load_vision_tower(checkpoint)
    projection = fit_projection_to(
        tower, batches_of(data, _BATCH_SIZE), fitted_on=f"{len(data)} rendered demo pictures"
    )
    save_projection(work / PROJECTION_FILE, projection)
    # Evenly spread, so that every part of the catalogue stands before the gate.
    gate = data.pictures(np.linspace(0, len(data) - 1, num=min(len(data), 2 * _BATCH_SIZE), dtype=np.int64))
    return export_encoder(
        out,
        tower,
        projection,
        gate,
        ExportSettings(
            name="ruiji-demo",
            checkpoint="trained from scratch by ruiji_encoder.demo_recipe",
            precision=settings.precision,
            replace=settings.replace,
        ),
    )
