"""A generation damaged byte by byte is refused, wherever the damage is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import DamagedGeneration, GenerationError
from ruiji_server.generations.generation import open_generation
from ruiji_server.generations.manifest import read_manifest

from tests.support.catalogues import FilledStore

ALL_BYTES_UP_TO = 256
"""Every byte of a smaller file is damaged; of a larger one the edges and a sample."""
SAMPLED = 100


@pytest.fixture
def copy(small_generation: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_generation, tmp_path / "copy"))


FILES = (
    "band_ends.npy", "band_prices.npy", "band_rows.npy", "category.npy", "currency.npy", "embeddings.npy",
    "id_hash_rows.npy", "id_hashes.npy", "index.usearch", "item_id_ends.npy", "item_ids.bin", "manifest.json",
    "manifest.sha256", "names.json", "price_minor.npy", "state.npy",
)  # fmt: skip


def test_these_are_all_files(small_generation):
    files = {path.name for path in small_generation.iterdir()}
    assert files >= set(FILES)
    assert files == {*read_manifest(small_generation).files, "manifest.json", "manifest.sha256"}


def places(size: int, rng: np.random.Generator) -> list[int]:
    if size <= ALL_BYTES_UP_TO:
        return list(range(size))
    edges = [*range(20), *range(size - 20, size)]
    return edges + rng.choice(size, SAMPLED, replace=False).tolist()


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_noticed(copy, name):
    rng = np.random.default_rng(0)
    path = copy / name
    content = path.read_bytes()
    for position in places(len(content), rng):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(GenerationError):
            open_generation(copy)
    path.write_bytes(content)
    open_generation(copy)


def test_every_byte_of_the_manifest_counts(copy):
    path = copy / "manifest.json"
    content = path.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(GenerationError):
            read_manifest(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_noticed(copy, name):
    rng = np.random.default_rng(0)
    path = copy / name
    content = path.read_bytes()
    for length in {0, 1, len(content) // 2, len(content) - 1, *rng.integers(0, len(content), 8).tolist()}:
        path.write_bytes(content[:length])
        with pytest.raises(DamagedGeneration):
            open_generation(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_longer_or_a_missing_file_is_noticed(copy, name):
    path = copy / name
    content = path.read_bytes()
    path.write_bytes(content + b"\0")
    with pytest.raises(DamagedGeneration):
        open_generation(copy)
    path.unlink()
    with pytest.raises(DamagedGeneration):
        open_generation(copy)


def test_files_of_another_generation_are_noticed(filled_store: FilledStore, copy, generations: GenerationDirectory):
    other = generations.folder(generations.current_id())
    for name in FILES:
        content = (copy / name).read_bytes()
        shutil.copy(other / name, copy / name)
        if (copy / name).read_bytes() != content:
            with pytest.raises(DamagedGeneration):
                open_generation(copy)
        (copy / name).write_bytes(content)
    open_generation(copy)
