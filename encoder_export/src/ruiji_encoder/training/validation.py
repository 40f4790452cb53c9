"""How a model does on pairs that it does not learn from: the loss, and how often the right text or picture is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import normalize

from ruiji_encoder.losses import sigmoid_loss, true_pairs
from ruiji_encoder.tokenizers import tokenize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from ruiji_encoder.training.batches import TrainingData
    from ruiji_encoder.training.towers import Towers

RECALLS_AT = (1, 5, 10)
"""How many answers are looked at."""

_EMBEDDED_AT_ONCE = 64
_SEARCHED_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Validation:
    """One look at the validation side."""

    loss: float
    """Mean over its batches, of the training batch's size, without augmentation."""
    text_of_picture: dict[int, float]
    """Share of pictures that have a true text among the nearest 1, 5, 10 of all texts."""
    picture_of_text: dict[int, float]
    """Share of texts that have a true picture among the nearest 1, 5, 10 of all pictures."""
    pairs: int
    """How many were looked at."""

    @property
    def merit(self) -> tuple[float, float]:
        """What the best epoch has most of: recall at 5, both ways; between equals, the smaller loss."""
        return (self.text_of_picture[5] + self.picture_of_text[5]) / 2, -self.loss

    def as_json(self) -> dict[str, Any]:
        """Return what a log holds."""
        return {
            "validation_loss": self.loss,
            **{f"text_of_picture_recall_{k}": value for k, value in self.text_of_picture.items()},
            **{f"picture_of_text_recall_{k}": value for k, value in self.picture_of_text.items()},
            "validation_pairs": self.pairs,
        }


@torch.inference_mode()
def validate(
    towers: Towers, tokenizer: PreTrainedTokenizerBase, data: TrainingData, *, batch_size: int, most: int
) -> Validation:
    """Judge a model.

    Args:
        towers: the model; it is in evaluation mode meanwhile.
        tokenizer: the one that belongs to it.
        data: pictures and captions, at least 2. The first caption of each, its title, is looked for.
        batch_size: of the loss, which depends on the number of negatives; all pairs if there are fewer.
        most: at most as many pairs, evenly spread.
    """
    model = towers.model
    was_training = model.training
    model.train(False)
    rows = np.linspace(0, len(data) - 1, num=min(len(data), most), dtype=np.int64)
    captions = [data.captions(row) for row in rows.tolist()]
    chosen = [texts[0] for texts in captions]
    pictures, texts = [], []
    for start in range(0, len(rows), _EMBEDDED_AT_ONCE):
        part = slice(start, start + _EMBEDDED_AT_ONCE)
        pictures.append(towers.pictures(torch.from_numpy(data.pictures(rows[part]))))
        texts.append(towers.texts(tokenize(tokenizer, chosen[part])))
    model.train(was_training)
    picture_features, text_features = torch.cat(pictures), torch.cat(texts)
    losses = []
    # In the training's own order of magnitude of negatives; shuffled, since neighbours in a catalogue are alike.
    shuffled = torch.from_numpy(np.random.default_rng(0).permutation(len(rows)))
    each = min(batch_size, len(rows))
    for start in range(0, len(rows) - each + 1, each):
        batch = shuffled[start : start + each].tolist()
        matches = true_pairs([chosen[i] for i in batch], [captions[i] for i in batch]).to(towers.device)
        losses.append(
            float(
                sigmoid_loss(
                    picture_features[batch], text_features[batch], model.logit_scale, model.logit_bias, matches
                )
            )
        )
    text_of_picture, picture_of_text = recalls(picture_features, text_features, chosen, captions)
    return Validation(float(np.mean(losses)), text_of_picture, picture_of_text, len(rows))


def recalls(
    picture_features: torch.Tensor,
    text_features: torch.Tensor,
    chosen: Sequence[str],
    captions: Sequence[Sequence[str]],
) -> tuple[dict[int, float], dict[int, float]]:
    """Return how often something true is among the nearest k, for texts of a picture and for pictures of a text, by k.

    Equal texts are one: a title that a hundred listings share does not fill the list, and is asked for once.

    Args:
        picture_features: shape (n, D), any length.
        text_features: shape (n, D), any length; row i is that of `chosen[i]`.
        chosen: n texts.
        captions: all that is true of each of the n pictures.
    """
    of_pictures, of_texts = hits(picture_features, text_features, chosen, captions)
    return _recalls(of_pictures), _recalls(of_texts)


def hits(
    picture_features: torch.Tensor,
    text_features: torch.Tensor,
    chosen: Sequence[str],
    captions: Sequence[Sequence[str]],
) -> tuple[list[list[bool]], list[list[bool]]]:
    """Return which of the nearest 10 answers are true, for each picture and for each different text; see `recalls`."""
    first = list({text: row for row, text in reversed(list(enumerate(chosen)))}.values())
    known = [frozenset(texts) for texts in captions]
    texts = _nearest(picture_features, text_features[first]).tolist()
    pictures = _nearest(text_features[first], picture_features).tolist()
    return (
        [[chosen[first[j]] in known[i] for j in answers] for i, answers in enumerate(texts)],
        [[chosen[j] in known[i] for i in answers] for j, answers in zip(first, pictures, strict=True)],
    )


def _nearest(queries: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    queries, answers = normalize(queries, dim=-1), normalize(answers, dim=-1)
    k = min(max(RECALLS_AT), len(answers))
    parts = [queries[start : start + _SEARCHED_AT_ONCE] for start in range(0, len(queries), _SEARCHED_AT_ONCE)]
    found = [(part @ answers.T).topk(k, dim=1).indices.cpu() for part in parts]
    return torch.cat(found)


def _recalls(hits: Sequence[Sequence[bool]]) -> dict[int, float]:
    return {k: float(np.mean([any(answers[:k]) for answers in hits])) for k in RECALLS_AT}
