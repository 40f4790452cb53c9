"""A run in a folder: killed and resumed it ends as it would have, and it keeps the best of what it saw."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from ruiji_encoder.architecture import Architecture, FromScratch, read_from_scratch
from ruiji_encoder.checkpoints import load_siglip, load_tokenizer
from ruiji_encoder.errors import TrainingError
from ruiji_encoder.tokenizers import check_tokenizer, train_tokenizer
from ruiji_encoder.training import TrainingProgress, new_siglip
from ruiji_encoder.training.finetuning import RunSummary, finetune
from ruiji_encoder.training.run_folder import RunFolder
from ruiji_encoder.training.validation import recalls
from transformers import SiglipModel, SiglipTokenizer

from .conftest import tiny_config
from .distributed_steps import Noise
from .finetuning_run import SETTINGS, a_run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    folder = tmp_path_factory.mktemp("runs") / "undisturbed"
    return folder, a_run(folder)


def steps_of(folder: Path) -> list[tuple[int, float]]:
    return [(record["step"], record["loss"]) for record in RunFolder(folder).read_log() if record["kind"] == "step"]


def test_a_killed_run_resumes_and_ends_at_the_same_weights(
    undisturbed: tuple[Path, RunSummary], tmp_path: Path
) -> None:
    whole, summary = undisturbed
    # The first epoch has 4 steps, states are saved after every third and every epoch: after 7, one is done again.
    killed_after = 7
    killed = tmp_path / "killed"
    process = subprocess.run(
        [sys.executable, "-m", "tests.encoder_export.finetuning_run", str(killed), str(killed_after)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=240,
        check=False,
    )
    assert process.returncode == -signal.SIGKILL
    assert len(steps_of(killed)) == killed_after
    resumed = a_run(killed, resume=True)
    assert resumed == summary
    assert steps_of(killed) == steps_of(whole)
    assert [step for step, _ in steps_of(killed)] == list(range(1, 13))
    ends, expected = (load_siglip(folder / "last").state_dict() for folder in (killed, whole))
    assert all(torch.equal(ends[name], weight) for name, weight in expected.items())


def test_a_run_leaves_its_curve_its_log_and_its_checkpoints(undisturbed: tuple[Path, RunSummary]) -> None:
    folder, summary = undisturbed
    assert summary.finished
    assert len(summary.epoch_losses) == 3
    epochs = [record for record in RunFolder(folder).read_log() if record["kind"] == "epoch"]
    assert [epoch["step"] for epoch in epochs] == [4, 8, 12]
    merits = [
        (epoch["text_of_picture_recall_5"] + epoch["picture_of_text_recall_5"], -epoch["validation_loss"])
        for epoch in epochs
    ]
    assert summary.best_epoch == merits.index(max(merits)) + 1
    assert summary.best is not None
    assert summary.best["validation_loss"] == epochs[summary.best_epoch - 1]["validation_loss"]
    assert len(load_tokenizer(folder / "best")) == load_siglip(folder / "best").config.text_config.vocab_size
    with Image.open(folder / "curve.png") as curve:
        assert curve.size == (1100, 770)
    assert list((folder / "tensorboard").iterdir())
    described = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert described["settings"]["batch_size"] == 6
    assert described["hardware"]["torch"] == torch.__version__
    assert described["hardware"]["computes_in"] in {"fp32", "bf16"}


def fresh() -> tuple[SiglipModel, SiglipTokenizer, Noise]:
    data = Noise()
    tokenizer = train_tokenizer([text for row in range(24) for text in data.captions(row)], vocabulary_size=40)
    return (
        new_siglip(tiny_config(width=32, patch_px=128, vocabulary=len(tokenizer)), seed=0, bias=-2.0),
        tokenizer,
        data,
    )


def test_a_run_that_is_asked_to_stop_saves_its_last_step(undisturbed: tuple[Path, RunSummary], tmp_path: Path) -> None:
    told: list[TrainingProgress] = []
    model, tokenizer, data = fresh()
    stopped = finetune(
        model, tokenizer, data, SETTINGS, tmp_path / "run", progress=told.append, stop=lambda: len(told) == 5
    )
    assert (stopped.step, stopped.finished, stopped.best_epoch) == (5, False, None)
    # Without a validation side, as it began.
    model, tokenizer, data = fresh()
    resumed = finetune(model, tokenizer, data, SETTINGS, tmp_path / "run", resume=True)
    assert resumed.epoch_losses == undisturbed[1].epoch_losses
    assert not (tmp_path / "run" / "best").exists()


def test_another_run_is_not_overwritten_and_not_gone_on_with(
    undisturbed: tuple[Path, RunSummary], tmp_path: Path
) -> None:
    folder, summary = undisturbed
    model, tokenizer, data = fresh()
    with pytest.raises(TrainingError, match="holds a run already: resume it"):
        finetune(model, tokenizer, data, SETTINGS, folder)
    with pytest.raises(TrainingError, match=r"other settings: learning_rate was 0\.001 and is 0\.5"):
        finetune(model, tokenizer, data, dataclasses.replace(SETTINGS, learning_rate=0.5), folder, resume=True)
    smaller = new_siglip(tiny_config(width=16, patch_px=128, vocabulary=len(tokenizer)), seed=0)
    with pytest.raises(TrainingError, match="of other sizes"):
        finetune(smaller, tokenizer, data, SETTINGS, folder, resume=True)
    other = Noise()
    other.captions = lambda row: (f"noise number {row % 9}",)  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="learns from other pairs"):
        finetune(model, tokenizer, other, SETTINGS, folder, resume=True)
    # What changes only speed and memory may change.
    freely = dataclasses.replace(SETTINGS, microbatches=2, checkpoint_every_steps=9)
    assert finetune(model, tokenizer, data, freely, folder, validation=data, resume=True) == summary

    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    (tmp_path / "state.pt").write_bytes((folder / "state.pt").read_bytes()[:1000])
    with pytest.raises(TrainingError, match=r"state\.pt is damaged"):
        finetune(model, tokenizer, data, SETTINGS, tmp_path, resume=True)
    with pytest.raises(TrainingError, match="validation pairs are too few"):
        finetune(model, tokenizer, data, SETTINGS, tmp_path / "new", validation=[])  # type: ignore[arg-type]


def test_a_tokenizer_of_another_model_is_refused() -> None:
    model, tokenizer, data = fresh()
    titles = [text for row in range(24) for text in data.captions(row)]
    check_tokenizer(tokenizer, model.config, titles)
    for vocabulary in (len(tokenizer) - 1, 2 * len(tokenizer)):
        with pytest.raises(TrainingError, match="belongs to another model"):
            check_tokenizer(tokenizer, tiny_config(vocabulary=vocabulary), titles)
    with pytest.raises(TrainingError, match="made for another language"):
        check_tokenizer(tokenizer, model.config, ["Ψηφιακή", "кириллица"])
    short = tiny_config(vocabulary=len(tokenizer))
    short.text_config.max_position_embeddings = 16
    with pytest.raises(TrainingError, match="reads 16 tokens, and texts are padded to 64"):
        check_tokenizer(tokenizer, short, titles)


def test_recall_counts_whatever_is_true_and_equal_titles_once() -> None:
    pictures = torch.eye(12)
    captions = [("red",), ("red",), *((f"thing {row}",) for row in range(2, 12))]
    chosen = [texts[0] for texts in captions]
    of_texts, of_pictures = recalls(pictures, pictures, chosen, captions)
    # "red" stands for the first picture; the second finds it only among the ties at right angles.
    assert of_texts[1] == pytest.approx(11 / 12)
    assert of_pictures == {1: 1.0, 5: 1.0, 10: 1.0}
    turned = torch.roll(pictures, 1, dims=0)
    assert recalls(turned, pictures, chosen, captions)[1][1] == pytest.approx(1 / 11)


def test_sizes_of_a_model_come_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "sizes.toml"
    path.write_text("temperature = 5\nbias = -4.0\n[architecture]\nwidth = 64\nheads = 4\n", encoding="utf-8")
    start = read_from_scratch(path)
    assert start == FromScratch(Architecture(width=64, heads=4), temperature=5.0, bias=-4.0)
    config = start.architecture.config(vocabulary=100)
    assert (config.vision_config.hidden_size, config.text_config.vocab_size) == (64, 100)
    for text, advice in (
        ("[architecture]\nwidht = 64", "unknown widht; there are depth, heads"),
        ("bias = 'low'", "bias is 'low'"),
        ("[architecture]\nwidth = 65", "multiple of its heads"),
        ("[architecture]\npatch_px = 24", "does not divide 256"),
        ("[architecture]\ndepth = 0", "depth must be 1 or more"),
        ("[architecture", "is no TOML"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(TrainingError, match=rf"sizes\.toml.*{advice}"):
            read_from_scratch(path)
    with pytest.raises(TrainingError, match="cannot be read"):
        read_from_scratch(tmp_path / "absent.toml")
