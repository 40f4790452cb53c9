"""Which pictures an export stands before its gate with, and which ones static int8 takes its scales from.

The two have no picture in common, or the gate would judge what was fitted to it. Neither is of a test side: that side
is for the figures of the finished encoder, and nothing is chosen on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ruiji_encoding.pictures import PICTURE_SIZE_PX

from ruiji_encoder.pairs.splitting import Side
from ruiji_encoder.parity import BATCH_SIZES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_encoder.catalogue import CaptionedPictures

FEWEST_FOR_GATE = max(BATCH_SIZES)
"""Pictures that the largest batch of the gate needs."""


@dataclass(frozen=True, slots=True, eq=False)
class ChosenPictures:
    """Decoded pictures, and what they are."""

    pixels: NDArray[np.uint8]
    """RGB, shape (n, 256, 256, 3), uint8."""
    described: str
    """For people: how many, of which set, of which side."""


@dataclass(frozen=True, slots=True, eq=False)
class GatePictures:
    """What an export is judged and calibrated with."""

    gate: ChosenPictures
    """Of the validation side; held back from the training side where the set has no validation side to speak of."""
    calibration: ChosenPictures
    """Of the training side."""


def choose_gate_pictures(
    name: str,
    training: CaptionedPictures,
    validation: CaptionedPictures | None,
    *,
    gate: int,
    calibration: int,
    has_sides: bool = True,
) -> GatePictures:
    """Choose both, evenly spread.

    Args:
        name: of the set, for the descriptions.
        training: all that is not held back for validation or test.
        validation: None, or fewer than `FEWEST_FOR_GATE`, and the gate's pictures are held back from `training`.
        gate: pictures for the gate, at most.
        calibration: pictures for calibration, at most; fewer where `training` has to serve both and is small.
        has_sides: whether the set tells sides apart; a catalogue does not.
    """
    side = f", {Side.TRAIN} side" if has_sides else ""
    if validation is not None and len(validation) >= FEWEST_FOR_GATE:
        rows, others = _spread(np.arange(len(validation)), gate), np.arange(len(training))
        judged = ChosenPictures(_decoded(validation, rows), f"{len(rows)} pictures of {name}, {Side.VALIDATION} side")
    else:
        whole = np.arange(len(training))
        rows = _spread(whole, min(gate, max(FEWEST_FOR_GATE, len(whole) - calibration)))
        others = np.setdiff1d(whole, rows)
        held_back = f" (its {Side.VALIDATION} side has fewer than {FEWEST_FOR_GATE})" if has_sides else ""
        judged = ChosenPictures(_decoded(training, rows), f"{len(rows)} pictures of {name}{side}{held_back}")
    chosen = _spread(others, calibration)
    return GatePictures(
        judged, ChosenPictures(_decoded(training, chosen), f"{len(chosen)} other pictures of {name}{side}")
    )


def _decoded(pictures: CaptionedPictures, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    if len(rows) == 0:
        return np.empty((0, PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3), np.uint8)
    return pictures.pictures(rows)


def _spread(rows: NDArray[np.int64], number: int) -> NDArray[np.int64]:
    if len(rows) <= number:
        return rows
    return rows[np.linspace(0, len(rows) - 1, num=number, dtype=np.int64)]
