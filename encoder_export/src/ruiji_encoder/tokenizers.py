"""A small SentencePiece tokenizer of SigLIP's kind, for models that are trained from scratch."""

from __future__ import annotations

import io
import string
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import sentencepiece
import torch
from transformers import SiglipTextConfig, SiglipTokenizer

from ruiji_encoder.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from transformers import PreTrainedTokenizerBase, SiglipConfig

TEXT_LENGTH = 64
"""Tokens per caption. SigLIP reads its answer off the last position, so every caption is padded to this length."""

_SMALLEST_SHARE_OF_VOCABULARY = 0.9
"""Vocabulary tables are rounded up a little; one that is much larger than the tokenizer belongs to another."""

_MOST_UNREAD = 0.5
"""Share of titles with unknown letters from which on a tokenizer cannot be said to read them."""

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


def check_tokenizer(tokenizer: PreTrainedTokenizerBase, config: SiglipConfig, titles: Sequence[str]) -> None:
    """Refuse a tokenizer that is not the model's, or that cannot read these titles.

    The special tokens that a config names are not compared: published checkpoints carry wrong ones and do not use them.

    Args:
        tokenizer: to be used.
        config: of the model.
        titles: some of those to be read.

    Raises:
        TrainingError: its ids do not fit the model's vocabulary, the model reads fewer than 64 tokens, or most of the
            titles have letters that it does not know.
    """
    text = config.text_config
    if not isinstance(text, SiglipTextConfig):
        raise TrainingError("the model has no text_config: it is no SigLIP")
    check_text_tokenizer(tokenizer, text, titles)


def check_text_tokenizer(tokenizer: PreTrainedTokenizerBase, text: SiglipTextConfig, titles: Sequence[str]) -> None:
    """As `check_tokenizer`, for a text tower alone."""
    pieces, rows = len(tokenizer), text.vocab_size
    named = f"tokenizer {tokenizer.name_or_path or 'without a name'}"
    if not _SMALLEST_SHARE_OF_VOCABULARY * rows <= pieces <= rows:
        raise TrainingError(
            f"{named} has {pieces:,} pieces and the model's vocabulary {rows:,}: it belongs to another model. Give the "
            "one of the checkpoint's folder"
        )
    if text.max_position_embeddings < TEXT_LENGTH:
        raise TrainingError(
            f"the model reads {text.max_position_embeddings} tokens, and texts are padded to {TEXT_LENGTH}: choose a "
            f"checkpoint with max_position_embeddings of {TEXT_LENGTH}"
        )
    # A run of unknown letters is one piece, so pieces are no measure of how much of a title is lost.
    unread = (tokenize(tokenizer, titles) == tokenizer.unk_token_id).any(dim=1)
    if float(unread.float().mean()) > _MOST_UNREAD:
        raise TrainingError(
            f"{named} cannot read all of {int(unread.sum())} of {len(titles)} titles, such as "
            f"{titles[int(unread.int().argmax())]!r}: it was made for another language"
        )
