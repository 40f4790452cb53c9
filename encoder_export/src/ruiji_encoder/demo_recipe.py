"""The small encoder that ships with the demo: trained from scratch on rendered pictures, exported, gated, measured.

SigLIP's own architecture with far fewer weights: 32 px patches, 128 wide, 4 layers deep, trained on halved pictures
(see `half_resolution`). It knows rendered products and nothing else, and is made in about an hour on a CPU core.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from ruiji_encoding.manifest import EncoderManifest, Precision

from ruiji_encoder.architecture import Architecture
from ruiji_encoder.augmentation import MIRROR_ONLY
from ruiji_encoder.catalogue import FolderCatalogue
from ruiji_encoder.checkpoints import load_vision_tower, save_checkpoint
from ruiji_encoder.export import ExportSettings, export_encoder
from ruiji_encoder.features import batches_of, fit_projection_to
from ruiji_encoder.half_resolution import HalvedPictures, for_halved_pictures, for_whole_pictures
from ruiji_encoder.projection import save_projection
from ruiji_encoder.tokenizers import train_tokenizer
from ruiji_encoder.training import TrainingPrecision, TrainingProgress, TrainingSettings, new_siglip, train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHECKPOINT_FOLDER = "checkpoint"
PROJECTION_FILE = "projection.npz"
CACHE_FOLDER = "pictures"

_BATCH_SIZE = 64
_TEMPERATURE = 5.0


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How the demo encoder is made."""

    architecture: Architecture = field(default_factory=lambda: Architecture(text_depth=1))
    """Sizes of both towers, for whole pictures; a title is little more than its words, so one layer will do for it."""
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=12,
            batch_size=64,
            learning_rate=2e-3,
            muon_learning_rate=0.02,
            weight_decay=0.05,
            warmup_share=0.03,
            augmentation=MIRROR_ONLY,
            precision=TrainingPrecision.FP32,
        )
    )
    """From random weights, so with far larger steps than fine-tuning. Rendered products vary enough by themselves. In
    fp32, so that it becomes much the same encoder wherever it is made."""
    precision: Precision = Precision.FP32
    """Of the exported graph."""
    threads: int = 1
    """CPU cores for decoding and training. A second one helps only if nothing else wants it: the two wait for each
    other thousands of times a second."""
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
        for_halved_pictures(settings.architecture.config(len(tokenizer))),
        seed=settings.training.seed,
        temperature=_TEMPERATURE,
        bias=-math.log(settings.training.batch_size),
    )
    train(model, tokenizer, HalvedPictures(data), settings.training, progress=trained)
    checkpoint = work / CHECKPOINT_FOLDER
    save_checkpoint(checkpoint, for_whole_pictures(model), tokenizer)

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
