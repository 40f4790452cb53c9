"""Which pairs make each step's batch: a function of seed and step, so a resumed run needs no memory of it."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from ruiji_encoder.errors import TrainingError
from ruiji_encoder.tokenizers import tokenize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerBase

    from ruiji_encoder.training.devices import Devices


class TrainingData(Protocol):
    """What is learned from: `catalogue.CaptionedPictures`, or a trunk's rows, `backbones.trunk_rows.TrunkRows`."""

    def __len__(self) -> int:
        """Return the number of pictures."""
        ...

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8] | NDArray[np.float16]:
        """Return what `Towers.pictures` takes for these rows."""
        ...

    def captions(self, row: int) -> Sequence[str]:
        """Return one picture's captions."""
        ...


class DataOrder:
    """Epochs of shuffled batches."""

    def __init__(self, pairs: int, batch_size: int, seed: int) -> None:
        """Shuffle.

        Raises:
            TrainingError: the pairs do not fill one batch.
        """
        self.steps_per_epoch = pairs // batch_size
        if self.steps_per_epoch == 0:
            raise TrainingError(
                f"{pairs} pictures do not fill one batch of {batch_size}: give more, or choose a smaller batch"
            )
        self._pairs, self._batch_size, self._seed = pairs, batch_size, seed
        self._epoch = -1
        self._shuffled = np.empty(0, np.int64)

    def rows(self, step: int) -> NDArray[np.int64]:
        """Return the rows of a step's batch, ascending; steps count from 0.

        The last, incomplete batch of an epoch is dropped: the loss' scale depends on the number of negatives.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._shuffled = np.random.default_rng([self._seed, epoch]).permutation(self._pairs)
            self._epoch = epoch
        # Ascending rows read a memory-mapped file in order; the order within a batch does not matter to the loss.
        return np.sort(self._shuffled[place * self._batch_size : (place + 1) * self._batch_size])


@dataclass(frozen=True, slots=True)
class Batch:
    """What one device needs for one step."""

    step: int
    """From 0."""
    pixels: torch.Tensor
    """Of this device's share, shape (B/W, 256, 256, 3), uint8; or a trunk's rows."""
    tokens: torch.Tensor
    """Of this device's share, shape (B/W, 64), int64."""
    chosen: list[str]
    """The text of every pair of the whole batch."""
    captions: list[Sequence[str]]
    """All that is true of every picture of the whole batch."""


class BatchLoader:
    """Reads and tokenizes batches, one ahead of the step that uses it."""

    def __init__(
        self, data: TrainingData, tokenizer: PreTrainedTokenizerBase, order: DataOrder, devices: Devices
    ) -> None:
        self._data, self._tokenizer, self._order, self._devices = data, tokenizer, order, devices

    def load(self, step: int) -> Batch:
        """Read one batch."""
        rows = self._order.rows(step)
        share = self._devices.share(len(rows))
        captions = [self._data.captions(row) for row in rows.tolist()]
        chosen = in_turn(captions, rows, step // self._order.steps_per_epoch)
        return Batch(
            step,
            torch.from_numpy(self._data.pictures(rows[share])),
            tokenize(self._tokenizer, chosen[share]),
            chosen,
            captions,
        )

    def batches(self, first: int, end: int) -> Iterator[Batch]:
        """Yield the batches of steps `first` to `end` - 1."""
        yield from _one_ahead(self.load, first, end)


def in_turn(captions: Sequence[Sequence[str]], rows: NDArray[np.int64], epoch: int) -> list[str]:
    """Return one caption for each picture; its captions take turns from epoch to epoch, and rows begin apart.

    One that the batch has already gives way to the picture's next, and in the end to its first, the title: the name of
    a category that a hundred pictures share is asked about once, or it would outweigh all that is said of each alone.
    """
    chosen: list[str] = []
    taken: set[str] = set()
    for texts, row in zip(captions, rows.tolist(), strict=True):
        first = (row + epoch) % len(texts)
        text = next((each for each in (*texts[first:], *texts[:first]) if each not in taken), texts[0])
        taken.add(text)
        chosen.append(text)
    return chosen


def _one_ahead(load: Callable[[int], Batch], first: int, end: int) -> Iterator[Batch]:
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
        coming = deque(pool.submit(load, step) for step in range(first, min(first + 1, end)))
        for step in range(first, end):
            batch = coming.popleft().result()
            if step + 1 < end:
                coming.append(pool.submit(load, step + 1))
            yield batch
