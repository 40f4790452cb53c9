"""The tokenizer reads the languages it was trained on, and captions always have 64 tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from ruiji_encoder.checkpoints import load_tokenizer
from ruiji_encoder.errors import TrainingError
from ruiji_encoder.tokenizers import EOS_ID, PAD_ID, UNK_ID, tokenize, train_tokenizer
from transformers import SiglipTokenizer

TITLES = ["Red Striped T-Shirt", "Blue mug", "赤いストライプのTシャツ", "青いマグカップ"] * 10


@pytest.fixture(scope="module")
def tokenizer() -> SiglipTokenizer:
    return train_tokenizer(TITLES, vocabulary_size=200)


def test_special_tokens_have_siglips_ids(tokenizer: SiglipTokenizer) -> None:
    assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (PAD_ID, EOS_ID, UNK_ID)
    assert tokenizer.bos_token_id is None


@pytest.mark.parametrize("caption", ["", "Blue mug", "赤いTシャツ", "mug " * 500])
def test_every_caption_has_64_tokens(tokenizer: SiglipTokenizer, caption: str) -> None:
    ids = tokenize(tokenizer, [caption])
    assert ids.shape == (1, 64)
    text = ids[0][ids[0] != PAD_ID]
    assert text[-1] == EOS_ID
    assert not (text == UNK_ID).any()


def test_case_and_punctuation_do_not_matter(tokenizer: SiglipTokenizer) -> None:
    first, second = tokenize(tokenizer, ["RED striped t-shirt!", "red striped tshirt"])
    assert torch.equal(first, second)


def test_unknown_letters_become_unknown_tokens(tokenizer: SiglipTokenizer) -> None:
    assert (tokenize(tokenizer, ["zzz"]) == UNK_ID).any()


def test_survives_the_disk(tokenizer: SiglipTokenizer, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path)
    assert torch.equal(tokenize(load_tokenizer(tmp_path), TITLES), tokenize(tokenizer, TITLES))


def test_same_titles_give_the_same_tokenizer(tokenizer: SiglipTokenizer) -> None:
    again = train_tokenizer(TITLES, vocabulary_size=200)
    assert again.get_vocab() == tokenizer.get_vocab()


def test_too_little_text_is_refused() -> None:
    with pytest.raises(TrainingError, match="too little text"):
        train_tokenizer(["", " "], vocabulary_size=100)
