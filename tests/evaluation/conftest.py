"""A catalogue of coloured shapes, small enough to evaluate in a second, and a study of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from ruiji_evaluation.study import Study, load_study

from tests.support.tiny_encoder import write_tiny_encoder

COLOURS = {"red": (205, 40, 45), "blue": (45, 90, 200), "green": (60, 150, 80), "yellow": (235, 200, 50)}
KINDS = ("ball", "box", "kite")
ITEMS = 96

STUDY = """
title = "Shapes"
baseline = "pixels 4"
measures = ["nDCG@5", "P@1", "R@10", "RR"]
notes = ["Drawn, not photographed."]

[catalogue]
items = "items.tsv"
pictures = ["images"]
category = "category_path"
listed = "listed"

[split]
query_share = 0.4

[[relevance]]
gain = 1
all = ["kind"]

[[relevance]]
gain = 3
all = ["colour"]

[slices]
category_level = 2
min_queries = 4
price_edges = [1040]
age_edges_days = [40]
as_of = 2026-03-01

[resampling]
resamples = 300

[encoders."pixels 4"]
pixels = 4

[encoders.tiny]
artefact = "encoder"

[encoders."tiny + PCA 4"]
same_as = "tiny"
pca = 4
"""


@dataclass(frozen=True)
class Shop:
    """A catalogue on disk."""

    folder: Path

    @property
    def study_file(self) -> Path:
        return self.folder / "study.toml"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    def study(self, **changes) -> Study:
        return load_study(self.study_file, **changes)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """96 items: three kinds in four colours; two pictures are not what they should be."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "images").mkdir()
    rng = np.random.default_rng(1)
    lines = ["id\ttitle\tcategory_path\tkind\tcolour\tprice\tcurrency\tlisted\timage"]
    for row in range(ITEMS):
        kind, colour = KINDS[row % 3], list(COLOURS)[row // 3 % 4]
        draw(kind, COLOURS[colour], rng).save(folder / "images" / f"{row}.png")
        lines.append(
            f"toy-{row:03d}\t{colour} {kind} {row}\tToys > {kind}\t{kind}\t{colour}\t{1000 + row}\tJPY"
            f"\t2026-0{1 + row % 2}-01\t{row}.png"
        )
    (folder / "images" / "5.png").write_bytes(b"no picture")
    (folder / "images" / "6.png").unlink()
    (folder / "items.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    write_tiny_encoder(folder / "encoder")
    return Shop(folder)


def draw(kind: str, ink: tuple[int, int, int], rng: np.random.Generator) -> Image.Image:
    picture = Image.new("RGB", (64, 64), tuple(int(v) for v in rng.integers(225, 256, 3)))
    pen = ImageDraw.Draw(picture)
    x, y, r = (int(v) for v in (*rng.integers(28, 37, 2), rng.integers(14, 22)))
    if kind == "ball":
        pen.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    elif kind == "box":
        pen.rectangle((x - r, y - r, x + r, y + r), fill=ink)
    else:
        pen.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=ink)
    return picture
