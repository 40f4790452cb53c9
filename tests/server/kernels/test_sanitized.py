"""The same tests with a library that aborts on any access outside its arrays and on undefined behaviour."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ruiji_server

TESTS = Path(__file__).parent
ROOT = TESTS.parents[2]
PACKAGE = Path(ruiji_server.__file__).parent
SANITIZED = ("-std=c11", "-O1", "-g", "-ffp-contract=off", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")

FAULT = """
import numpy as np
from ruiji_server.kernels.library import KERNELS
ffi, library = KERNELS
one = np.zeros(1, np.uint64)
columns = ffi.new("ruiji_columns *", {"items": 2, "id_hashes": ffi.from_buffer("uint64_t[]", one)})
library.ruiji_find_row(columns, b"x", 1, 2**63)
"""
"""Looks for a hash among two, of which there is one."""


@pytest.fixture
def package(tmp_path) -> Path:
    """A folder with a copy of the package whose library is sanitized."""
    copy = shutil.copytree(PACKAGE, tmp_path / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    sources, library = sorted((copy / "kernels").glob("*.c")), copy / "kernels" / "libruiji.so"
    built = subprocess.run(["cc", *SANITIZED, "-shared", "-fPIC", *sources, "-o", library], capture_output=True)
    if built.returncode:
        pytest.skip("this compiler has no sanitizers")
    return copy.parent


def test_nothing_is_read_or_written_out_of_place(package):
    others = [path for path in sorted(TESTS.glob("test_*.py")) if path.name != Path(__file__).name]
    server = ROOT / "tests" / "server"
    callers = server / "services" / "test_wire.py", server / "ranking" / "test_written_pages.py"
    ended = run(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", *others, *callers)
    assert ended.returncode == 0, ended.stdout[-2_000:] + ended.stderr[-4_000:]


def test_a_fault_would_be_seen(package):
    """Otherwise the test above would say nothing."""
    ended = run(package, "-c", FAULT)
    assert ended.returncode != 0
    assert "heap-buffer-overflow" in ended.stderr


def run(package: Path, *arguments) -> subprocess.CompletedProcess[str]:
    """Run Python with the sanitized package before the installed one."""
    runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    environment = {
        **os.environ,
        "LD_PRELOAD": runtime.stdout.strip(),
        # Python itself frees little when it ends.
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(package),
    }
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
