"""Which pictures judge an export, and which calibrate it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from ruiji_encoder.gate_pictures import FEWEST_FOR_GATE, choose_gate_pictures


class Numbered:
    """Pictures of one pixel each, which say their row; enough for a choice that looks at no pixel."""

    def __init__(self, first: int, number: int) -> None:
        self._first, self._number = first, number

    def __len__(self) -> int:
        return self._number

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return (self._first + rows).astype(np.uint16).view(np.uint8).reshape(-1, 2)

    def captions(self, row: int) -> Sequence[str]:
        return (str(row),)


def numbers(pixels: NDArray[np.uint8]) -> set[int]:
    return set() if pixels.size == 0 else set(pixels.view(np.uint16).ravel().tolist())


TRAINING, VALIDATION = Numbered(0, 1_000), Numbered(10_000, 300)


def test_the_validation_side_judges_and_the_training_side_calibrates() -> None:
    chosen = choose_gate_pictures("pairs", TRAINING, VALIDATION, gate=128, calibration=60)
    assert len(chosen.gate.pixels) == 128
    assert min(numbers(chosen.gate.pixels)) >= 10_000
    assert len(chosen.calibration.pixels) == 60
    assert max(numbers(chosen.calibration.pixels)) < 1_000
    assert chosen.gate.described == "128 pictures of pairs, validation side"
    assert chosen.calibration.described == "60 other pictures of pairs, train side"


@pytest.mark.parametrize("validation", [None, Numbered(10_000, FEWEST_FOR_GATE - 1)])
def test_without_a_validation_side_the_gates_pictures_are_held_back_and_that_is_said(
    validation: Numbered | None,
) -> None:
    chosen = choose_gate_pictures("pairs", TRAINING, validation, gate=128, calibration=60)
    assert max(numbers(chosen.gate.pixels)) < 1_000
    assert "train side (its validation side has fewer than 64)" in chosen.gate.described


def test_a_catalogue_has_no_sides_to_speak_of() -> None:
    chosen = choose_gate_pictures("shop", TRAINING, None, gate=128, calibration=60, has_sides=False)
    assert chosen.gate.described == "128 pictures of shop"
    assert chosen.calibration.described == "60 other pictures of shop"


@settings(deadline=None)
@given(
    training=st.integers(1, 400),
    validation=st.none() | st.integers(1, 200),
    gate=st.integers(FEWEST_FOR_GATE, 200),
    calibration=st.integers(0, 200),
)
def test_no_picture_judges_what_it_calibrated(
    training: int, validation: int | None, gate: int, calibration: int
) -> None:
    held = None if validation is None else Numbered(10_000, validation)
    chosen = choose_gate_pictures("pairs", Numbered(0, training), held, gate=gate, calibration=calibration)
    judging, calibrating = numbers(chosen.gate.pixels), numbers(chosen.calibration.pixels)
    assert not judging & calibrating
    assert len(judging) == len(chosen.gate.pixels) <= gate
    assert len(calibrating) == len(chosen.calibration.pixels) <= calibration
    # The gate has as many as it needs wherever there are as many.
    assert len(judging) >= min(FEWEST_FOR_GATE, training)
