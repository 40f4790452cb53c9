"""Finds the tritonserver that the nvidia-pytriton wheel carries, and what its Python backend needs to start.

The package `pytriton` itself is never imported: only files beside it are used.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ruiji_triton.errors import InstallationError

MIN_GLIBC = (2, 35)
"""What the wheel was built for: Debian 12, Ubuntu 22.04, RHEL 10 or newer."""

_INSTALL = "install it with `pip install 'ruiji[triton]'`, or use a Triton that runs elsewhere (--triton-url)"


@dataclass(frozen=True, slots=True)
class TritonInstallation:
    """Files of the wheel and of this interpreter; all exist."""

    server: Path
    """The tritonserver binary."""
    backend: Path
    """Folder of the Python backend's library and of `triton_python_backend_utils.py`."""
    caches: Path
    """Folder of Triton's response caches."""
    stub: Path
    """The process that runs `model.py`, built for this interpreter's version."""
    libpython: Path
    """The interpreter's shared library; the stub embeds it."""
    interpreter_folder: Path
    """Where the stub has to find `python3`, and by it the installed packages."""


def find_installation() -> TritonInstallation:
    """Find what the embedded server needs on this machine.

    Raises:
        InstallationError: something is missing; the message says what and how to get it.
    """
    _check_platform()
    spec = find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        raise InstallationError(f"nvidia-pytriton, which carries tritonserver, is not installed: {_INSTALL}")
    if find_spec("onnxruntime") is None:
        raise InstallationError(f"onnxruntime, which runs the encoders, is not installed: {_INSTALL}")
    home = Path(spec.submodule_search_locations[0]) / "tritonserver"
    server = home / "bin" / "tritonserver"
    if not server.is_file():
        raise InstallationError(f"nvidia-pytriton has no {server}: {_INSTALL}")
    return TritonInstallation(
        server=server,
        backend=home / "backends" / "python",
        caches=home / "caches",
        stub=_find_stub(home / "python_backend_stubs"),
        libpython=find_libpython(),
        interpreter_folder=_interpreter_folder(),
    )


def python_version() -> str:
    """Return the running interpreter's version as `major.minor`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def find_libpython() -> Path:
    """Return the running interpreter's shared library.

    Raises:
        InstallationError: the interpreter was built without one, or it is in a package of its own.
    """
    version = python_version()
    name = f"libpython{version}.so.1.0"
    folders = [Path(sysconfig.get_config_var("LIBDIR") or sys.base_prefix), Path(sys.base_prefix) / "lib"]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise InstallationError(
        f"tritonserver's Python backend needs {name}, which {sys.executable} does not come with (looked in "
        f"{' and '.join(str(folder) for folder in dict.fromkeys(folders))}). On Debian and Ubuntu: apt-get install "
        f"libpython{version}. With pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {version}. "
        "The interpreters of uv, conda and the python container images come with it."
    )


def _check_platform() -> None:
    libc, version = platform.libc_ver()
    if sys.platform != "linux" or libc != "glibc":
        raise InstallationError(f"tritonserver needs Linux with glibc, not {platform.platform()}; use --triton-url")
    if tuple(map(int, version.split(".")[:2])) < MIN_GLIBC:
        raise InstallationError(
            f"tritonserver needs glibc {MIN_GLIBC[0]}.{MIN_GLIBC[1]} or newer (Debian 12, Ubuntu 22.04); "
            f"this machine has {version}; use --triton-url"
        )


def _find_stub(folder: Path) -> Path:
    version = python_version()
    stub = folder / version / "triton_python_backend_stub"
    if not stub.is_file():
        versions = sorted((path.name for path in folder.glob("*")), key=lambda name: int(name.partition(".")[2]))
        raise InstallationError(
            f"nvidia-pytriton has no backend for Python {version}, only for {', '.join(versions)}; "
            "run Ruiji with one of these, or use --triton-url"
        )
    return stub


def _interpreter_folder() -> Path:
    # The stub starts the first python3 on PATH; PYTHONHOME and PYTHONPATH do not move it.
    folder = Path(sys.executable).parent
    python3 = folder / "python3"
    if not python3.exists() or not python3.samefile(sys.executable):
        raise InstallationError(
            f"{python3} is missing or another interpreter than {sys.executable}: run Ruiji in a virtual environment"
        )
    return folder
