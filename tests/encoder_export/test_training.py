"""Training learns what titles say of pictures, repeats exactly, and stops with a reason."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from ruiji_encoder.catalogue import FolderCatalogue
from ruiji_encoder.checkpoints import load_siglip, load_tokenizer, weights_sha256
from ruiji_encoder.errors import TrainingError
from ruiji_encoder.features import batches_of, tower_features
from ruiji_encoder.tokenizers import tokenize, train_tokenizer
from ruiji_encoder.training import TrainingProgress, TrainingSettings, new_siglip, train
from torch.nn.functional import normalize
from transformers import SiglipModel, SiglipTokenizer

from .conftest import COLOURS, tiny_config

QUICK = TrainingSettings(epochs=1, batch_size=32, learning_rate=1e-3, seed=3)


@pytest.fixture(scope="module")
def data(catalogue_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FolderCatalogue:
    return FolderCatalogue(catalogue_folder, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def tokenizer(data: FolderCatalogue) -> SiglipTokenizer:
    return train_tokenizer((text for row in range(len(data)) for text in data.captions(row)), vocabulary_size=100)


def fresh_model(tokenizer: SiglipTokenizer) -> SiglipModel:
    return new_siglip(tiny_config(width=64, patch_px=64, vocabulary=len(tokenizer)), seed=0, bias=-3.0)


def test_starts_at_the_papers_temperature_and_bias() -> None:
    model = new_siglip(tiny_config(), seed=0)
    assert model.logit_scale.exp().item() == pytest.approx(10)
    assert model.logit_bias.item() == -10


class ColourCards:
    """Cards of one colour each, in as many shades as there are cards: the least that pictures can say."""

    def __init__(self, cards: int) -> None:
        rng = np.random.default_rng(0)
        self._colours = [list(COLOURS)[row % len(COLOURS)] for row in range(cards)]
        shades = [np.clip(np.add(COLOURS[name][1], rng.integers(-25, 26, 3)), 0, 255) for name in self._colours]
        self._pixels = np.stack([np.full((256, 256, 3), shade, np.uint8) for shade in shades])

    def __len__(self) -> int:
        return len(self._colours)

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._pixels[rows]

    def captions(self, row: int) -> tuple[str, str]:
        return f"{self._colours[row]} card", f"{COLOURS[self._colours[row]][0]}カード"


@torch.inference_mode()
def share_named_rightly(model: SiglipModel, tokenizer: SiglipTokenizer, data: ColourCards, language: int) -> float:
    """Return for how many pictures their own title is the nearest of all titles."""
    own = [data.captions(row)[language] for row in range(len(data))]
    titles = sorted(set(own))
    texts = normalize(model.get_text_features(input_ids=tokenize(tokenizer, titles)).pooler_output, dim=-1)
    features = np.concatenate(list(tower_features(model.vision_model, batches_of(data, 48))))
    nearest = (torch.from_numpy(features) @ texts.T).argmax(dim=1).tolist()
    return float(np.mean([titles[i] == title for i, title in zip(nearest, own, strict=True)]))


def test_learns_what_the_titles_say_in_both_languages() -> None:
    data = ColourCards(96)
    tokenizer = train_tokenizer([text for row in range(96) for text in data.captions(row)], vocabulary_size=60)
    model = fresh_model(tokenizer)
    settings = TrainingSettings(epochs=14, batch_size=24, learning_rate=1e-3, warmup_share=0.2, augmentation=None)
    losses = train(model, tokenizer, data, settings)
    assert losses[-1] < losses[0] / 2
    for language in range(2):
        assert share_named_rightly(model, tokenizer, data, language) > 0.8, "a quarter would be chance"


def test_same_seed_same_weights(data: FolderCatalogue, tokenizer: SiglipTokenizer) -> None:
    models = [fresh_model(tokenizer) for _ in range(3)]
    for model, seed in zip(models, (3, 3, 4), strict=True):
        train(model, tokenizer, data, dataclasses.replace(QUICK, seed=seed))
    first, again, other = (weights_sha256(model.vision_model) for model in models)
    assert first == again
    assert first != other


def test_progress_is_told_after_every_step(data: FolderCatalogue, tokenizer: SiglipTokenizer) -> None:
    told: list[TrainingProgress] = []
    train(fresh_model(tokenizer), tokenizer, data, dataclasses.replace(QUICK, epochs=2), progress=told.append)
    assert [progress.step for progress in told] == list(range(1, 19))
    assert {progress.total_steps for progress in told} == {18}
    assert [progress.epoch for progress in told] == [1] * 9 + [2] * 9
    assert max(progress.learning_rate for progress in told) == pytest.approx(QUICK.learning_rate)
    assert all(math.isfinite(progress.loss) and progress.pictures_per_s > 0 for progress in told)


def test_a_checkpoint_goes_on_where_it_was_saved(
    data: FolderCatalogue, tokenizer: SiglipTokenizer, tmp_path: Path
) -> None:
    model = fresh_model(tokenizer)
    train(model, tokenizer, data, QUICK, checkpoint_folder=tmp_path / "checkpoint")
    loaded = load_siglip(tmp_path / "checkpoint")
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name]), name
    losses = train(
        loaded, load_tokenizer(tmp_path / "checkpoint"), data, dataclasses.replace(QUICK, learning_rate=1e-5)
    )
    assert math.isfinite(losses[0])


def test_impossible_settings_are_refused(data: FolderCatalogue, tokenizer: SiglipTokenizer) -> None:
    with pytest.raises(TrainingError, match="no negatives"):
        TrainingSettings(batch_size=1)
    with pytest.raises(TrainingError, match="must be positive"):
        TrainingSettings(learning_rate=0.0)
    with pytest.raises(TrainingError, match="288 pictures do not fill one batch of 289"):
        train(fresh_model(tokenizer), tokenizer, data, dataclasses.replace(QUICK, batch_size=289))


def test_a_run_that_diverges_stops(data: FolderCatalogue, tokenizer: SiglipTokenizer) -> None:
    model = fresh_model(tokenizer)
    with torch.no_grad():
        model.logit_scale.fill_(1000.0)
    with pytest.raises(TrainingError, match="step 1: lower the learning rate"):
        train(model, tokenizer, data, QUICK)
