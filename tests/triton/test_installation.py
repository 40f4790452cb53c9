"""What the embedded server asks of the machine, and what it says when something is missing."""

from __future__ import annotations

import platform
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

import pytest
from ruiji_triton import installation
from ruiji_triton.errors import InstallationError
from ruiji_triton.installation import find_installation, find_libpython


@pytest.mark.usefixtures("triton_installed")
def test_everything_is_found_without_importing_pytriton() -> None:
    found = find_installation()
    assert found.server.is_file()
    assert found.stub.is_file()
    assert found.libpython.is_file()
    assert (found.backend / "libtriton_python.so").is_file()
    assert (found.interpreter_folder / "python3").samefile(sys.executable)
    assert not any(name.split(".")[0] == "pytriton" for name in sys.modules)


@pytest.mark.parametrize("missing", ["pytriton", "onnxruntime"])
def test_missing_package_is_named_with_the_way_to_install_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda name: None if name == missing else find_spec(name))
    with pytest.raises(InstallationError, match=rf"{missing}.*pip install 'ruiji\[triton\]'.*--triton-url"):
        find_installation()


def test_old_glibc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.31"))
    with pytest.raises(InstallationError, match=r"needs glibc 2\.35 or newer .* has 2\.31"):
        find_installation()


def test_system_without_glibc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    with pytest.raises(InstallationError, match="Linux with glibc"):
        find_installation()


@pytest.mark.usefixtures("triton_installed")
def test_python_version_without_a_backend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "python_version", lambda: "3.99")
    with pytest.raises(InstallationError, match=r"no backend for Python 3\.99, only for .*3\.11, 3\.12"):
        find_installation()


def test_interpreter_without_a_shared_library_is_told_where_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sysconfig, "get_config_var", lambda _name: str(tmp_path / "libraries"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "prefix"))
    with pytest.raises(InstallationError, match="apt-get install libpython"):
        find_libpython()
