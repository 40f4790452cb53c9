"""A tower trained on halved pictures is, exactly, a tower for whole ones."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from ruiji_encoder.architecture import Architecture
from ruiji_encoder.half_resolution import HalvedPictures, for_halved_pictures, for_whole_pictures, halved
from ruiji_encoder.pixels import normalise_pixels
from ruiji_encoder.training import new_siglip


class CaptionedNoise:
    def __init__(self, pictures: int) -> None:
        self._pixels = np.random.default_rng(2).integers(0, 256, (pictures, 256, 256, 3), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._pixels)

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._pixels[rows]

    def captions(self, row: int) -> Sequence[str]:
        return (f"noise {row}",)


SMALL = Architecture(width=32, depth=1, text_width=32, text_depth=1)


def test_the_mean_of_two_by_two_pixels_is_rounded_to_the_nearest() -> None:
    picture = np.array([[0, 1], [1, 1]], dtype=np.uint8)[None, :, :, None].repeat(3, axis=3)

    assert halved(picture).tolist() == [[[[1, 1, 1]]]]


def test_halving_agrees_with_the_mean_in_floating_point() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 8, 6, 3), dtype=np.uint8)

    means = pictures.reshape(3, 4, 2, 3, 2, 3).mean(axis=(2, 4))

    assert np.abs(halved(pictures) - means).max() <= 0.5


def test_halved_pictures_keep_rows_and_captions() -> None:
    data = CaptionedNoise(pictures=5)
    rows = np.array([4, 1])

    assert np.array_equal(HalvedPictures(data).pictures(rows), halved(data.pictures(rows)))
    assert HalvedPictures(data).captions(3) == data.captions(3)
    assert len(HalvedPictures(data)) == 5


@pytest.mark.parametrize("patch_px", [32, 64])
def test_the_unfolded_tower_sees_whole_pictures_as_the_folded_one_sees_halves(patch_px: int) -> None:
    architecture = dataclasses.replace(SMALL, patch_px=patch_px)
    model = new_siglip(for_halved_pictures(architecture.config(vocabulary=50)), seed=1).train(mode=False)
    # Pairs of equal rows and columns, so that rounding has no part in it.
    half = np.random.default_rng(1).integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    whole = half.repeat(2, axis=1).repeat(2, axis=2)

    with torch.no_grad():
        of_half = model.get_image_features(pixel_values=normalise_pixels(torch.from_numpy(half))).pooler_output
        unfolded = for_whole_pictures(model)
        of_whole = unfolded.get_image_features(pixel_values=normalise_pixels(torch.from_numpy(whole))).pooler_output

    assert unfolded.config.vision_config.patch_size == patch_px
    torch.testing.assert_close(of_whole, of_half, rtol=1e-4, atol=1e-5)
