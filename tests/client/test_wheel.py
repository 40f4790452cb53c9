"""What a backend service installs: one wheel, with grpcio and protobuf behind it and nothing of the server."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from tests.support.reference_server import ReferenceServer

CLIENT = Path(__file__).parents[2] / "client"

ASK = """
import importlib.metadata, json, sys
from ruiji_client import NotFoundError, RuijiClient

with RuijiClient(sys.argv[1]) as client:
    version = client.info().server_version
    try:
        client.similar_items(item_id="nobody")
    except NotFoundError as error:
        reason = error.reason
imported = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
installed = sorted(d.name for d in importlib.metadata.distributions())
print(json.dumps({"version": version, "reason": reason, "imported": sorted(imported), "installed": installed}))
"""

TYPED = """
from typing import assert_type
from ruiji_client import RuijiClient

assert_type(RuijiClient("localhost:50051").similar_items(item_id="a").generation_id, str)
"""


def pip(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    probe = ("--retries", "0", "--timeout", "15", "download", "--no-deps", "--dest", folder / "probe")
    reachable = pip(*probe, "hatchling==1.33.0")
    if reachable.returncode != 0:
        pytest.skip(f"pip cannot fetch packages here: {reachable.stderr.strip().splitlines()[-1]}")
    built = pip("wheel", "--no-deps", "--wheel-dir", folder, CLIENT)
    assert built.returncode == 0, built.stderr
    [path] = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_client_its_stubs_and_their_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [metadata] = [name for name in names if name.endswith("/METADATA")]
        fields = HeaderParser().parsestr(archive.read(metadata).decode())
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == {"ruiji", "ruiji_client"}
    assert {"ruiji_client/py.typed", "ruiji/v1/recommendation_pb2.pyi", "ruiji/v1/py.typed"} <= names
    requirements = fields.get_all("Requires-Dist") or []
    assert {requirement.partition(">")[0] for requirement in requirements} == {"grpcio", "protobuf"}


@pytest.fixture(scope="module")
def fresh_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that holds the wheel and what it requires."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder)
    python = folder / "bin" / "python"
    installed = pip("--python", python, "install", "--no-compile", wheel)
    assert installed.returncode == 0, installed.stderr
    return python


def test_installed_alone_it_talks_to_a_server(fresh_python: Path, server: ReferenceServer) -> None:
    asked = subprocess.run([fresh_python, "-I", "-c", ASK, server.target], capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert answer["version"] == "reference"
    assert answer["reason"] == "ITEM_NOT_FOUND"
    # typing_extensions is grpcio's requirement.
    assert set(answer["installed"]) <= {"ruiji-client", "grpcio", "protobuf", "typing_extensions"}
    imported = {name for name in answer["imported"] if not name.startswith("_")}
    assert imported - {"cython_runtime", "typing_extensions"} == {"ruiji", "ruiji_client", "grpc", "google"}


def test_installed_alone_it_brings_its_types(fresh_python: Path, tmp_path: Path) -> None:
    code = tmp_path / "listing_page.py"
    code.write_text(TYPED)
    command: list[str | Path] = [sys.executable, "-m", "mypy", "--strict", "--config-file="]
    command += ["--cache-dir", tmp_path / "cache", "--python-executable", fresh_python, code]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "no issues found" in checked.stdout, checked.stdout
