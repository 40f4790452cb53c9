"""Fixtures for tests that need a real Triton: one for the whole session, serving the tiny encoder.

Import them in `tests/conftest.py`: `from tests.support.triton_fixture import *`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ruiji_encoding.manifest import EncoderManifest, read_manifest
from ruiji_triton.errors import InstallationError
from ruiji_triton.installation import find_installation
from ruiji_triton.repositories import write_repositories
from ruiji_triton.settings import SupervisorSettings
from ruiji_triton.supervisor import TritonSupervisor

from tests.support.tiny_encoder import write_tiny_encoder

__all__ = ["tiny_encoder_folder", "tiny_manifest", "triton_installed", "triton_url"]


@pytest.fixture(scope="session")
def tiny_encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artefact of the tiny encoder with seed 0."""
    folder = tmp_path_factory.mktemp("encoders") / "tiny-0"
    write_tiny_encoder(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_manifest(tiny_encoder_folder: Path) -> EncoderManifest:
    """Its manifest; Triton serves it under `encoder_id`."""
    return read_manifest(tiny_encoder_folder)


@pytest.fixture(scope="session")
def triton_installed() -> None:
    """Skip where tritonserver cannot run, saying why."""
    try:
        find_installation()
    except InstallationError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def triton_url(
    triton_installed: None, tiny_encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """`host:port` of a real Triton that serves the tiny encoder, shared by the session: leave it as it is."""
    repositories = write_repositories(tiny_encoder_folder, tmp_path_factory.mktemp("triton"))
    with TritonSupervisor(SupervisorSettings(repository=repositories.embedded)) as supervisor:
        yield supervisor.url
