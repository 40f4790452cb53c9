"""Augmentation moves and lights a product, and leaves it the product it is."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from ruiji_encoder.augmentation import Augmentation, augment
from ruiji_encoder.pixels import normalise_pixels

STILL = Augmentation(flip=False, scale=0, shift=0, rotation_degrees=0, brightness=0, contrast=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_nothing_asked_nothing_done(pictures: NDArray[np.uint8]) -> None:
    pixels = normalise_pixels(torch.from_numpy(pictures[:3]))
    torch.testing.assert_close(augment(pixels, STILL, seeded()), pixels, atol=1e-4, rtol=0)


def test_same_seed_same_pictures(pictures: NDArray[np.uint8]) -> None:
    pixels = normalise_pixels(torch.from_numpy(pictures[:3]))
    first, again, other = (augment(pixels, Augmentation(), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_flip_mirrors_about_half_of_the_pictures(pictures: NDArray[np.uint8]) -> None:
    pixels = normalise_pixels(torch.from_numpy(pictures[:40]))
    changed = augment(pixels, Augmentation(True, 0, 0, 0, 0, 0), seeded())
    mirrored = torch.isclose(changed, pixels.flip(3), atol=1e-3).flatten(1).all(1)
    kept = torch.isclose(changed, pixels, atol=1e-3).flatten(1).all(1)
    assert (mirrored | kept).all()
    assert 10 < int(mirrored.sum()) < 30


def test_hue_order_of_channels_survives(pictures: NDArray[np.uint8]) -> None:
    # Red products stay redder than they are blue, whatever the light.
    means = torch.tensor([0.5, -0.2, -0.6])[None, :, None, None].expand(16, 3, 64, 64)
    changed = augment(means, Augmentation(), seeded()).mean(dim=(2, 3))
    assert (changed[:, 0] > changed[:, 1]).all()
    assert (changed[:, 1] > changed[:, 2]).all()
    assert changed.abs().max() <= 1
