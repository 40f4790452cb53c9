"""Writes the two Triton model repositories of an encoder from one description.

    <out>/embedded/<encoder id>/config.pbtxt, 1/model.py, 1/engines.py, 1/model.onnx   nvidia-pytriton's tritonserver
    <out>/container/<encoder id>/config.pbtxt, 1/model.onnx                            NVIDIA's container

Several encoders live side by side in both.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from ruiji_encoding.manifest import MODEL_FILE, EncoderManifest, read_manifest

from ruiji_triton.config import MODEL_VERSION, Engine, ModelSettings, config_text, model_config
from ruiji_triton.errors import RepositoryError
from ruiji_triton.onnx_header import read_onnx_header

EMBEDDED = "embedded"
CONTAINER = "container"

CONFIG_FILE = "config.pbtxt"

BACKEND_FILES = ("model.py", "engines.py")
"""What the Python backend runs."""

ENGINE_FILE = "model.plan"
"""The name that Triton's TensorRT backend looks for."""

MAX_IR_VERSION = 10
"""Newest ONNX file format of ONNX Runtime 1.19, which Triton 24.10 carries."""

MAX_OPSET = 20
"""Newest operator set that is used; ONNX Runtime 1.19 reads 21 too, with operators still marked experimental."""


@dataclass(frozen=True, slots=True)
class WrittenRepositories:
    """Where an encoder's models lie; a Triton is pointed at one of the two folders."""

    encoder_id: str
    """The name of the model in both."""
    embedded: Path
    """Repository for the embedded server."""
    container: Path
    """Repository for NVIDIA's container."""


def write_repositories(
    encoder_folder: Path, out_folder: Path, settings: ModelSettings | None = None
) -> WrittenRepositories:
    """Add an encoder to both repositories, or bring it up to date there.

    Each model is written aside and renamed, so a Triton that looks sees a whole model or none. What is there and equal
    is left alone. A model that differs is replaced; a running Triton sees that when it loads it the next time.

    Args:
        encoder_folder: an encoder artefact; its checksum is verified.
        out_folder: holds `embedded/` and `container/`; made if need be.
        settings: how Triton runs the encoder; the defaults if None.

    Raises:
        EncoderError: the artefact is missing or damaged.
        RepositoryError: its graph is too new for the container, or another process replaces the same model.
    """
    manifest = read_manifest(encoder_folder)
    model = encoder_folder / MODEL_FILE
    _check_loads_in_container(model)
    settings = settings or ModelSettings()
    written = WrittenRepositories(manifest.encoder_id, out_folder / EMBEDDED, out_folder / CONTAINER)
    for repository in (written.embedded, written.container):
        repository.mkdir(parents=True, exist_ok=True)
    # Beside the repositories and not inside: a Triton takes every folder in a repository for a model.
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=out_folder) as staging:
        embedded = _stage(Path(staging, EMBEDDED), manifest, Engine.PYTHON, settings)
        container = _stage(Path(staging, CONTAINER), manifest, Engine.ONNXRUNTIME, settings)
        for name in BACKEND_FILES:
            source = resources.files("ruiji_triton").joinpath("python_backend", name)
            _version(embedded).joinpath(name).write_bytes(source.read_bytes())
        # A copy, since a later export may write into the artefact in place; the two repositories share one.
        shutil.copyfile(model, _version(embedded) / MODEL_FILE)
        os.link(_version(embedded) / MODEL_FILE, _version(container) / MODEL_FILE)
        _publish(embedded, written.embedded / manifest.encoder_id)
        _publish(container, written.container / manifest.encoder_id)
    return written


def write_engine(
    manifest: EncoderManifest, plan: bytes, out_folder: Path, settings: ModelSettings | None = None
) -> Path:
    """Put a TensorRT engine into the container's repository, in the place of the encoder's ONNX model if it has one.

    Args:
        manifest: of the encoder in the engine's precision.
        plan: the engine.
        out_folder: holds `container/`; made if need be.
        settings: how Triton runs it; `max_batch_size` must not be above the engine's largest batch.

    Returns:
        The repository for NVIDIA's container.

    Raises:
        RepositoryError: another process replaces the same model.
    """
    repository = out_folder / CONTAINER
    repository.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=out_folder) as staging:
        staged = _stage(Path(staging, CONTAINER), manifest, Engine.TENSORRT, settings or ModelSettings())
        (_version(staged) / ENGINE_FILE).write_bytes(plan)
        _publish(staged, repository / manifest.encoder_id)
    return repository


def encoders_in(repository: Path) -> tuple[str, ...]:
    """Return the ids of the encoders in a repository, sorted.

    Raises:
        RepositoryError: there is no such folder, or no encoder in it.
    """
    found = tuple(sorted(path.parent.name for path in repository.glob(f"*/{CONFIG_FILE}")))
    if not found:
        raise RepositoryError(f"{repository} holds no model: write the repositories of an encoder first")
    return found


def _check_loads_in_container(model: Path) -> None:
    header = read_onnx_header(model)
    if header.ir_version > MAX_IR_VERSION or header.opsets[""] > MAX_OPSET:
        raise RepositoryError(
            f"{model} has IR version {header.ir_version} and opset {header.opsets['']}; Triton 24.10 reads IR version "
            f"{MAX_IR_VERSION} and opset {MAX_OPSET} or lower: export the encoder again with this release of Ruiji"
        )


def _stage(folder: Path, manifest: EncoderManifest, engine: Engine, settings: ModelSettings) -> Path:
    _version(folder).mkdir(parents=True)
    text = config_text(model_config(manifest, engine, settings))
    (folder / CONFIG_FILE).write_text(text, encoding="utf-8")
    return folder


def _version(folder: Path) -> Path:
    return folder / str(MODEL_VERSION)


def _publish(staged: Path, target: Path) -> None:
    if target.exists():
        if _same_files(staged, target):
            return
        target.rename(staged.with_name(f"{staged.name}-replaced"))
    try:
        staged.rename(target)
    except OSError as error:
        raise RepositoryError(f"another process wrote {target} at the same time: try again") from error


def _same_files(staged: Path, target: Path) -> bool:
    """Whether every staged file is in the target with the same bytes; Python adds its caches to the target."""
    names = [str(path.relative_to(staged)) for path in staged.rglob("*") if path.is_file()]
    _, different, missing = filecmp.cmpfiles(staged, target, names, shallow=False)
    return not different and not missing
