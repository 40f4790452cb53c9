"""Titles in the space of the pictures: the graph, its gate, its tokenizer, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from ruiji_encoder.checkpoints import load_text_tower, load_tokenizer, load_vision_tower, save_checkpoint
from ruiji_encoder.errors import ExportError, ProjectionError, RuijiEncoderError, TextEncoderError, TrainingError
from ruiji_encoder.export import ExportSettings, export_encoder
from ruiji_encoder.projection import Projection
from ruiji_encoder.texts.artefact import TEXT_MANIFEST_FILE, TextEncoder
from ruiji_encoder.texts.export import TextExportSettings, export_text_encoder
from ruiji_encoder.texts.graph import TokensToUnitVector, mean_text_features
from ruiji_encoder.tokenizers import tokenize, train_tokenizer
from transformers import SiglipModel

from .conftest import random_projection, tiny_config

TITLES = [
    f"{colour} {thing} {number}"
    for colour in ("red", "blue", "green", "yellow")
    for thing in ("ball", "box", "kite", "shoe")
    for number in range(5)
]


@dataclasses.dataclass(frozen=True)
class Made:
    """A checkpoint, its picture encoder and its text encoder."""

    checkpoint: Path
    pictures: Path
    texts: Path
    projection: Projection


@pytest.fixture(scope="module")
def made(pictures: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("texts")
    tokenizer = train_tokenizer(TITLES, vocabulary_size=60)
    torch.manual_seed(0)
    save_checkpoint(folder / "run", SiglipModel(tiny_config(vocabulary=len(tokenizer))), tokenizer)
    projection = random_projection(144)
    tower = load_vision_tower(folder / "run")
    settings = ExportSettings(name="tiny", checkpoint="run", parity_batch_sizes=(1, 2))
    export_encoder(folder / "pictures", tower, projection, pictures[:16], settings)
    whole = Made(folder / "run", folder / "pictures", folder / "texts", projection)
    export(whole, whole.texts)
    return whole


def export(made: Made, out: Path, **changed: object) -> None:
    parts = {
        "tower": load_text_tower(made.checkpoint),
        "tokenizer": load_tokenizer(made.checkpoint),
        "projection": made.projection,
        "picture_encoder": made.pictures,
        "titles": TITLES,
        "settings": TextExportSettings("run", "toy titles"),
    }
    export_text_encoder(out, **{**parts, **changed})  # type: ignore[arg-type]


def test_a_title_is_embedded_as_the_formula_says(made: Made) -> None:
    tower, tokenizer = load_text_tower(made.checkpoint), load_tokenizer(made.checkpoint)
    with torch.inference_mode():
        features = tower(input_ids=tokenize(tokenizer, TITLES)).pooler_output.double().numpy()
    expected = (features - features.mean(axis=0)) @ made.projection.matrix
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    encoder = TextEncoder(made.texts, encoder_id=TextEncoder(made.texts).manifest.encoder_id)
    np.testing.assert_allclose(encoder.embed(TITLES), expected, atol=1e-4)
    assert encoder.embed([]).shape == (0, 128)
    assert encoder.manifest.parity.min_cosine >= encoder.manifest.parity.limit


def test_another_picture_encoder_is_refused(made: Made) -> None:
    with pytest.raises(TextEncoderError, match="embeds into the space of enc-"):
        TextEncoder(made.texts, encoder_id="enc-0123456789abcdef")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("tokenizer", "is not the tokenizer that the model was exported with"),
        ("probe", "as other tokens than on the day of the export"),
        ("model", "is missing or is not the one of"),
        ("manifest", "is damaged"),
        ("format", "has format version 9; this release reads 1"),
        ("absent", "is missing: a text encoder is a folder made by"),
    ],
)
def test_what_does_not_belong_together_is_refused_by_name(made: Made, tmp_path: Path, harm: str, message: str) -> None:
    folder = tmp_path / "texts"
    export(made, folder)
    path = folder / TEXT_MANIFEST_FILE
    if harm == "tokenizer":
        train_tokenizer([title[::-1] for title in TITLES], vocabulary_size=60).save_pretrained(folder / "tokenizer")
    elif harm == "model":
        (folder / "model.onnx").write_bytes(b"another")
    elif harm == "manifest":
        path.write_text("{}")
    elif harm == "absent":
        path.unlink()
    else:
        raw = json.loads(path.read_text())
        if harm == "format":
            raw["format_version"] = 9
        else:
            raw["probes"][0]["token_ids"][0] += 1
        path.write_text(json.dumps(raw))
    with pytest.raises(TextEncoderError, match=message):
        TextEncoder(folder)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"projection": random_projection(144, 64)}, ExportError, "was exported with another projection"),
        ({"tokenizer": train_tokenizer(["aa bb"] * 20, vocabulary_size=20)}, TrainingError, "belongs to another model"),
        ({"titles": TITLES[:5]}, RuijiEncoderError, "5 different titles are too few"),
    ],
)
def test_parts_that_do_not_belong_together_are_not_exported(
    made: Made, tmp_path: Path, changed: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        export(made, tmp_path / "texts", **changed)
    assert not (tmp_path / "texts").exists()


def test_a_text_encoder_is_replaced_only_when_asked(made: Made) -> None:
    with pytest.raises(ExportError, match="holds a text encoder already"):
        export(made, made.texts)
    export(made, made.texts, settings=TextExportSettings("run", "toy titles", replace=True))
    assert TextEncoder(made.texts).embed(["red ball"]).shape == (1, 128)


def test_a_projection_of_another_length_does_not_fit(made: Made) -> None:
    tower = load_text_tower(made.checkpoint)
    with pytest.raises(ProjectionError, match="the text tower yields 144 coordinates"):
        TokensToUnitVector(tower, random_projection(160), np.zeros(144, np.float32))


def test_the_centre_is_the_mean_however_the_texts_are_divided(made: Made) -> None:
    tower, tokenizer = load_text_tower(made.checkpoint), load_tokenizer(made.checkpoint)
    token_ids = tokenize(tokenizer, TITLES).numpy()
    np.testing.assert_allclose(
        mean_text_features(tower, token_ids), mean_text_features(tower, token_ids, at_once=7), atol=1e-6
    )
