"""Small things that are real: SigLIP classes with few weights, and pictures of coloured shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from ruiji_encoder.projection import FeatureMoments, Projection, fit_projection
from transformers import SiglipConfig, SiglipModel, SiglipVisionModel

COLOURS = {
    "red": ("赤い", (205, 40, 45)),
    "blue": ("青い", (45, 90, 200)),
    "green": ("緑の", (60, 150, 80)),
    "yellow": ("黄色い", (235, 200, 50)),
}
SHAPES = {"ball": "ボール", "box": "箱", "kite": "凧"}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def draw(shape: str, rgb: tuple[int, int, int], rng: np.random.Generator) -> Image.Image:
    """Draw one product on a light ground, at its own place and size."""
    picture = Image.new("RGB", (96, 96), tuple(int(v) for v in rng.integers(225, 256, 3)))
    pen = ImageDraw.Draw(picture)
    x, y, r = (int(v) for v in (*rng.integers(40, 56, 2), rng.integers(20, 32)))
    ink = tuple(int(np.clip(v + rng.integers(-12, 13), 0, 255)) for v in rgb)
    if shape == "ball":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    elif shape == "box":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=ink)
    else:
        pen.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=ink)
    return picture


@pytest.fixture(scope="session")
def catalogue_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of 288 pictures: 3 leaf categories in 4 colours."""
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "images").mkdir()
    rng = np.random.default_rng(1)
    lines = ["id\ttitle\ttitle_ja\tcategory_path\tprice\tcurrency\timage"]
    for row in range(288):
        shape = list(SHAPES)[row % 3]
        colour = list(COLOURS)[row // 3 % 4]
        draw(shape, COLOURS[colour][1], rng).save(folder / "images" / f"{row:04d}.png")
        lines.append(
            f"toy-{row}\t{colour.title()} {shape}\t{COLOURS[colour][0]}{SHAPES[shape]}\tToys > Outdoor > {shape}"
            f"\t1200\tJPY\t{row:04d}.png"
        )
    (folder / "items.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def pictures() -> NDArray[np.uint8]:
    """80 pictures, shape (80, 256, 256, 3)."""
    rng = np.random.default_rng(2)
    kinds = [(shape, rgb) for shape in SHAPES for _, rgb in COLOURS.values()]
    drawn = [draw(*kinds[row % len(kinds)], rng).resize((256, 256)) for row in range(80)]
    return np.stack([np.asarray(picture) for picture in drawn])


def tiny_config(*, width: int = 144, patch_px: int = 32, image_size: int = 256, vocabulary: int = 64) -> SiglipConfig:
    """A whole SigLIP of one layer per tower."""
    return SiglipConfig(
        vision_config={
            "image_size": image_size,
            "patch_size": patch_px,
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
        },
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "projection_size": width,
            "pad_token_id": 0,
            "eos_token_id": 1,
            "bos_token_id": None,
        },
    )


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of random weights, as transformers writes it."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny-siglip"
    torch.manual_seed(0)
    SiglipModel(tiny_config()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tower(siglip_folder: Path) -> SiglipVisionModel:
    """The vision half of that checkpoint."""
    from ruiji_encoder.checkpoints import load_vision_tower

    return load_vision_tower(siglip_folder)


def random_projection(width: int, dimensions: int = 128) -> Projection:
    """A projection fitted on Gaussian features whose variance decays."""
    moments = FeatureMoments(width)
    rng = np.random.default_rng(3)
    moments.add(rng.standard_normal((3 * width, width)) / np.sqrt(1 + np.arange(width)))
    return fit_projection(moments, fitted_on="noise", dimensions=dimensions)


@pytest.fixture(scope="session")
def projection(tower: SiglipVisionModel) -> Projection:
    return random_projection(tower.config.hidden_size)
