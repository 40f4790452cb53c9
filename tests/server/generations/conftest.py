from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.catalogues import build, fill_store


@pytest.fixture(scope="session")
def small_generation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a generation of 60 items; read-only by agreement."""
    folder = tmp_path_factory.mktemp("small")
    store = fill_store(folder, 60)
    directory, manifest = build(store, folder / "generations")
    store.database.close()
    return directory.folder(manifest.generation_id)
