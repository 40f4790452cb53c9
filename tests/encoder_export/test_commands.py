"""`ruiji encoder` and `ruiji eval texts`, as a person runs them: listings to both encoders, and what is refused."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from ruiji_cli.encoder_pictures import open_gate_pictures
from ruiji_cli.failures import explained_failures
from ruiji_cli.main import app
from ruiji_encoder.architecture import read_from_scratch
from ruiji_encoder.checkpoints import save_checkpoint
from ruiji_encoder.pairs.prepared import PreparedPairs
from ruiji_encoder.pairs.splitting import Side
from ruiji_encoder.tokenizers import train_tokenizer
from ruiji_encoder.training import new_siglip
from ruiji_encoding.manifest import read_manifest
from transformers import SiglipModel
from typer.testing import CliRunner

from .conftest import COLOURS, SHAPES, draw, tiny_config

LISTINGS = 340
LITE = """
[architecture]
width = 32
text_width = 32
text_depth = 1
text_heads = 2

[backbone]
name = "efficientnet-lite0"
weights = "not-read-here.pth"
"""


def run(*arguments: object) -> str:
    """Run a command that succeeds; return its output with single spaces."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


@pytest.fixture
def explained(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command that fails; return what it says to a person."""

    def fail(*arguments: object) -> str:
        with pytest.raises(SystemExit) as caught, explained_failures():
            app([str(argument) for argument in arguments], standalone_mode=False)
        assert caught.value.code == 1
        return " ".join(capsys.readouterr().err.split())

    return fail


@dataclass(frozen=True)
class Shop:
    """Everything that the commands leave behind, one after the other."""

    pairs: Path
    checkpoint: Path
    projection: Path
    encoder: Path
    said: dict[str, str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """`pairs`, `project` and `export`, with a tiny SigLIP of random weights in place of `finetune`."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "images").mkdir()
    rng = np.random.default_rng(7)
    lines = ["id\ttitle\timage"]
    titles = []
    for row in range(LISTINGS):
        colour, shape = list(COLOURS)[row % 4], list(SHAPES)[row // 4 % 3]
        picture = draw(shape, COLOURS[colour][1], rng)
        # Drawings alone are so alike that all would be on one side.
        noise = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((60, 60))
        picture.paste(noise, (int(rng.integers(0, 30)), int(rng.integers(0, 30))))
        picture.save(folder / "images" / f"{row}.png")
        titles.append(f"{colour} {shape} {row}")
        lines.append(f"{row}\t{titles[-1]}\t{row}.png")
    (folder / "items.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = train_tokenizer(titles, vocabulary_size=60)
    torch.manual_seed(0)
    save_checkpoint(folder / "run", SiglipModel(tiny_config(vocabulary=len(tokenizer))), tokenizer)

    made = Shop(folder / "pairs", folder / "run", folder / "projection.npz", folder / "encoder", {})
    made.said["pairs"] = run(
        "encoder", "pairs", folder / "items.tsv", "--pictures", folder / "images", "--out", made.pairs,
        "--validation", 0.3, "--test", 0.2,
    )  # fmt: skip
    made.said["project"] = run(
        "encoder", "project", made.checkpoint, made.pairs, "--out", made.projection, "--dimensions", 64, "--threads", 1
    )
    made.said["export"] = run(
        "encoder", "export", made.checkpoint, made.projection, made.pairs, "--out", made.encoder, "--threads", 1
    )
    return made


def side_sizes(pairs: Path) -> dict[Side, int]:
    return {side: len(PreparedPairs(pairs, side)) for side in Side}


def test_the_projection_is_fitted_on_the_training_side(shop: Shop) -> None:
    sizes = side_sizes(shop.pairs)
    assert sizes[Side.TRAIN] < LISTINGS
    described = f"{sizes[Side.TRAIN]} pictures of pairs, train side"
    assert f"fitted on {described}" in shop.said["project"]
    assert read_manifest(shop.encoder).fitted_on == described


def test_an_export_says_which_pictures_judged_it(shop: Shop) -> None:
    judged_on = f"{min(side_sizes(shop.pairs)[Side.VALIDATION], 128)} pictures of pairs, validation side"
    assert read_manifest(shop.encoder).parity.measured_on == judged_on
    assert f"gate's pictures {judged_on}" in shop.said["export"]
    assert "calibrated" not in shop.said["export"]


def test_static_scales_come_from_the_training_side_and_the_manifest_says_so(shop: Shop, tmp_path: Path) -> None:
    said = run(
        "encoder", "export", shop.checkpoint, shop.projection, shop.pairs, "--out", tmp_path / "int8",
        "--precision", "int8-static", "--calibration", 16, "--threads", 1,
    )  # fmt: skip
    assert "calibrated on 16 other pictures of pairs, train side" in said
    assert read_manifest(tmp_path / "int8").calibrated_on == "16 other pictures of pairs, train side"


def test_no_picture_of_the_test_side_judges_or_calibrates(shop: Shop, tmp_path: Path) -> None:
    def contents(pictures: np.ndarray) -> set[bytes]:
        return {picture.tobytes() for picture in pictures}

    sides = {side: PreparedPairs(shop.pairs, side) for side in Side}
    held = {side: contents(data.pictures(np.arange(len(data)))) for side, data in sides.items()}
    chosen = open_gate_pictures(shop.pairs, tmp_path, 1, gate=1_000, calibration=1_000)
    assert contents(chosen.gate.pixels) == held[Side.VALIDATION]
    assert contents(chosen.calibration.pixels) == held[Side.TRAIN]


def test_precisions_are_tried_in_one_table_before_anything_is_exported(shop: Shop, tmp_path: Path) -> None:
    said = run(
        "encoder", "precisions", shop.checkpoint, shop.projection, shop.pairs, "--count", 16, "--calibration", 8,
        "--out", tmp_path / "table",
    )  # fmt: skip
    assert "to PyTorch in fp32, on" in said
    results = json.loads((tmp_path / "table" / "precisions.json").read_text(encoding="utf-8"))
    assert [row["precision"] for row in results["rows"]] == ["fp32", "fp16", "bf16", "int8", "int8-static"]
    assert results["rows"][0]["passed"]
    assert results["calibrated_on"] == "8 other pictures of pairs, train side"
    assert "validation side" in results["measured_on"]
    assert sorted(path.name for path in (tmp_path / "table").iterdir()) == ["precisions.json", "precisions.md"]


def test_titles_are_exported_and_judged_on_the_test_side(
    shop: Shop, tmp_path: Path, explained: Callable[..., str]
) -> None:
    parts = (shop.checkpoint, shop.projection, shop.encoder, shop.pairs)
    said = run("encoder", "export-text", *parts, "--out", tmp_path / "texts", "--threads", 1)
    assert f"titles for {read_manifest(shop.encoder).encoder_id}, 64 dimensions" in said
    table = run("eval", "texts", shop.encoder, tmp_path / "texts", shop.pairs)
    number = side_sizes(shop.pairs)[Side.TEST]
    assert f"{number} pictures and {number} different titles of the test side" in table
    assert "title of a picture" in table

    assert "holds a text encoder already" in explained("encoder", "export-text", *parts, "--out", tmp_path / "texts")
    assert "is missing: a text encoder is a folder made by" in explained(
        "eval", "texts", shop.encoder, shop.encoder, shop.pairs
    )


def test_a_text_encoder_answers_only_to_its_own_picture_encoder(
    shop: Shop, tmp_path: Path, explained: Callable[..., str]
) -> None:
    run(
        "encoder", "project", shop.checkpoint, shop.pairs, "--out", tmp_path / "48.npz", "--dimensions", 48,
        "--threads", 1,
    )  # fmt: skip
    said = explained(
        "encoder", "export-text", shop.checkpoint, tmp_path / "48.npz", shop.encoder, shop.pairs, "--out",
        tmp_path / "texts",
    )  # fmt: skip
    assert "was exported with another projection" in said
    assert not (tmp_path / "texts").exists()


@pytest.mark.parametrize("precision", ["int4", "INT8"])
def test_an_unknown_precision_is_said_before_anything_is_read(
    shop: Shop, tmp_path: Path, explained: Callable[..., str], precision: str
) -> None:
    said = explained(
        "encoder", "export", "no-such-checkpoint", shop.projection, tmp_path, "--out", tmp_path / "out",
        "--precision", precision,
    )  # fmt: skip
    assert "there are fp32, fp16, bf16, int8, int8-static" in said


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16", "int8-static"])
def test_openvino_stands_before_the_gate_with_every_precision_that_it_runs(
    shop: Shop, tmp_path: Path, precision: str
) -> None:
    encoder, repository = tmp_path / "encoder", tmp_path / "repository"
    run(
        "encoder", "export", shop.checkpoint, shop.projection, shop.pairs, "--out", encoder, "--precision", precision,
        "--calibration", 16, "--threads", 1,
    )  # fmt: skip
    run(
        "encoder", "repositories", encoder, "--engine", "openvino", "--pictures", shop.pairs, "--out", repository,
        "--work", tmp_path / "work",
    )  # fmt: skip
    config = (repository / "embedded" / read_manifest(encoder).encoder_id / "config.pbtxt").read_text(encoding="utf-8")
    assert 'key: "engine" value { string_value: "openvino" }' in " ".join(config.split())


def test_an_engines_plan_can_be_read_anywhere(shop: Shop) -> None:
    said = run("encoder", "tensorrt", shop.encoder, shop.pairs, "--plan-only")
    assert "bf16 Gemm" in said
    assert "fp32 LayerNormalization" in said


@pytest.mark.skipif(importlib.util.find_spec("tensorrt") is not None, reason="TensorRT is installed here")
def test_without_tensorrt_an_engine_is_refused_and_nothing_is_written(
    shop: Shop, tmp_path: Path, explained: Callable[..., str]
) -> None:
    said = explained("encoder", "tensorrt", shop.encoder, shop.pairs, "--out", tmp_path / "repository")
    assert "TensorRT cannot be imported" in said
    assert "inside NVIDIA's container" in said
    assert not (tmp_path / "repository").exists()


def test_an_engine_is_not_built_in_integers(shop: Shop, explained: Callable[..., str]) -> None:
    said = explained("encoder", "tensorrt", shop.encoder, shop.pairs, "--precision", "int8")
    assert "--precision is 'int8'; there are fp32, fp16, bf16" in said


@pytest.fixture(scope="module")
def small_catalogue(catalogue_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen pictures, for a training run of a second."""
    folder = tmp_path_factory.mktemp("small")
    lines = (catalogue_folder / "items.tsv").read_text(encoding="utf-8").splitlines()
    (folder / "items.tsv").write_text("\n".join(lines[:13]) + "\n", encoding="utf-8")
    (folder / "images").symlink_to(catalogue_folder / "images")
    return folder


@pytest.fixture(scope="module")
def lite_checkpoint(small_catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SigLIP with a backbone, of random weights."""
    folder = tmp_path_factory.mktemp("lite")
    (folder / "lite.toml").write_text(LITE, encoding="utf-8")
    titles = (small_catalogue / "items.tsv").read_text(encoding="utf-8").splitlines()
    tokenizer = train_tokenizer(titles * 4, vocabulary_size=60)
    model = new_siglip(read_from_scratch(folder / "lite.toml").config(len(tokenizer)), seed=0)
    save_checkpoint(folder / "lite", model, tokenizer)
    return folder / "lite"


def test_a_backbone_is_fine_tuned_behind_the_trunk_and_at_the_rate_that_were_asked_for(
    lite_checkpoint: Path, small_catalogue: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    said = run(
        "encoder", "finetune", small_catalogue, "--checkpoint", lite_checkpoint, "--out", out, "--work", tmp_path,
        "--trunk-blocks", 16, "--backbone-learning-rate", 1e-5, "--epochs", 1, "--batch-size", 6, "--mirror-only",
        "--device", "cpu", "--threads", 1,
    )  # fmt: skip
    assert "2 steps" in said
    assert json.loads((out / "last" / "config.json").read_text())["vision_config"]["trunk_blocks"] == 16
    assert json.loads((out / "run.json").read_text())["settings"]["backbone_learning_rate"] == 1e-5


def test_options_of_a_backbone_are_refused_where_there_is_none(
    shop: Shop, lite_checkpoint: Path, small_catalogue: Path, tmp_path: Path, explained: Callable[..., str]
) -> None:
    command = ("encoder", "finetune", small_catalogue, "--out", tmp_path / "run", "--work", tmp_path, "--batch-size", 6)
    of_siglip = (*command, "--checkpoint", shop.checkpoint)
    assert "the picture tower is SigLIP's own" in explained(*of_siglip, "--trunk-blocks", 11)
    assert "the picture tower is SigLIP's own" in explained(*of_siglip, "--backbone-learning-rate", 1e-5)
    of_lite = (*command, "--checkpoint", lite_checkpoint)
    assert "a trunk of 99 blocks of efficientnet-lite0 is not from 0 to 17" in explained(*of_lite, "--trunk-blocks", 99)
    scratch = (*command, "--from-scratch", lite_checkpoint.parent / "lite.toml")
    assert "for a --checkpoint; with --from-scratch, write" in explained(*scratch, "--trunk-blocks", 11)
    assert "not both" in explained(*command)
