"""The mean of checkpoints is the mean of their weights, and only of those that belong together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ruiji_encoder.averaging import average_checkpoints
from ruiji_encoder.checkpoints import load_siglip, save_checkpoint
from ruiji_encoder.errors import CheckpointError
from ruiji_encoder.tokenizers import train_tokenizer
from ruiji_encoder.training import new_siglip

from .conftest import tiny_config

WORDS = ["red box", "blue ball", "green kite"] * 20


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three checkpoints of the same sizes and tokenizer."""
    folder = tmp_path_factory.mktemp("runs")
    tokenizer = train_tokenizer(WORDS, vocabulary_size=40)
    for seed in range(3):
        model = new_siglip(tiny_config(width=32, vocabulary=len(tokenizer)), seed=seed, temperature=5.0 + seed)
        save_checkpoint(folder / str(seed), model, tokenizer)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("shares", [None, (1.0, 2.0, 5.0)])
def test_every_weight_is_the_mean_of_its_counterparts(runs: list[Path], shares: tuple[float, ...] | None) -> None:
    averaged, tokenizer = average_checkpoints(runs, shares)
    of_each = shares or (1.0, 1.0, 1.0)
    states = [load_siglip(run).state_dict() for run in runs]
    assert averaged.state_dict().keys() == states[0].keys()
    for name, weight in averaged.state_dict().items():
        parts = torch.stack([state[name].double() for state in states])
        expected = torch.einsum("n,n...->...", torch.tensor(of_each, dtype=torch.float64) / sum(of_each), parts)
        torch.testing.assert_close(weight.double(), expected, rtol=1e-6, atol=1e-7)
    assert tokenizer.get_vocab() == train_tokenizer(WORDS, vocabulary_size=40).get_vocab()


def test_a_checkpoint_averaged_with_itself_stays_as_it_was(runs: list[Path]) -> None:
    averaged, _ = average_checkpoints([runs[0], runs[0]], [3, 1])
    for name, weight in load_siglip(runs[0]).state_dict().items():
        assert torch.equal(averaged.state_dict()[name], weight), name


def test_what_has_no_mean_is_refused(runs: list[Path], tmp_path: Path) -> None:
    wider = train_tokenizer(WORDS, vocabulary_size=40)
    save_checkpoint(tmp_path / "wide", new_siglip(tiny_config(width=64, vocabulary=len(wider)), seed=0), wider)
    others = train_tokenizer(["yellow cup", "violet urn", "white jug"] * 20, vocabulary_size=len(wider))
    assert len(others) == len(wider), "as many words, others"
    model = new_siglip(tiny_config(width=32, vocabulary=len(others)), seed=0)
    save_checkpoint(tmp_path / "words", model, others)
    for checkpoints, shares, message in (
        ([runs[0]], None, "two checkpoints or more"),
        (runs, [1, 2], "3 checkpoints take as many shares above 0"),
        (runs[:2], [1, -1], "shares above 0"),
        ([runs[0], tmp_path / "wide"], None, "wide has weights of other sizes"),
        ([runs[0], tmp_path / "words"], None, "words has another tokenizer"),
    ):
        with pytest.raises(CheckpointError, match=message):
            average_checkpoints(checkpoints, shares)
