"""A small SentencePiece tokenizer of SigLIP's kind, for models that are trained from scratch."""

from __future__ import annotations

import io
import string
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import sentencepiece
import torch
from transformers import SiglipTokenizer

from ruiji_encoder.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from transformers import PreTrainedTokenizerBase

TEXT_LENGTH = 64
"""Tokens per caption. SigLIP reads its answer off the last position, so every caption is padded to this length."""

PAD_ID, EOS_ID, UNK_ID = 0, 1, 2
"""As in SigLIP's multilingual vocabulary; there is no beginning-of-sentence token."""


def train_tokenizer(titles: Iterable[str], *, vocabulary_size: int) -> SiglipTokenizer:
    """Train a unigram model on titles; the same titles give the same tokenizer.

    Args:
        titles: in all languages that will be read.
        vocabulary_size: an upper limit; fewer pieces are used if the titles do not yield as many.

    Raises:
        TrainingError: the titles hold too little text.
    """
    # Lower case without punctuation: what SiglipTokenizer will make of every caption before it asks this model.
    plain = [_canonical(title) for title in titles]
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(plain),
            model_writer=model,
            vocab_size=vocabulary_size,
            hard_vocab_limit=False,
            pad_id=PAD_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
            bos_id=-1,
            pad_piece="<pad>",
            # Every Japanese character of a small corpus counts.
            character_coverage=1.0,
            num_threads=1,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise TrainingError(f"{len(plain)} titles are too little text for a tokenizer: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spiece.model"
        path.write_bytes(model.getvalue())
        return SiglipTokenizer(str(path), pad_token="<pad>", model_max_length=TEXT_LENGTH)  # noqa: S106  (no password)


def _canonical(title: str) -> str:
    return " ".join(title.lower().translate(str.maketrans("", "", string.punctuation)).split())


def tokenize(tokenizer: PreTrainedTokenizerBase, captions: Sequence[str]) -> torch.Tensor:
    """Turn captions into token ids, cut or padded to 64 each, shape (n, 64), int64.

    Other padding would not fail: it would ruin the text tower's answers in silence.
    """
    encoded = tokenizer(
        list(captions), padding="max_length", truncation=True, max_length=TEXT_LENGTH, return_tensors="pt"
    )
    ids: torch.Tensor = encoded["input_ids"]
    return ids
