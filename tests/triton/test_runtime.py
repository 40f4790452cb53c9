"""The private folder of a supervisor and its shared memory, where a supervisor before it ended without cleaning up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruiji_triton.runtime import SHARED_MEMORY, RuntimeFolder, sweep_abandoned

ABANDON = """
import os
from ruiji_triton.runtime import RuntimeFolder
print(RuntimeFolder().path, flush=True)
os._exit(1)
"""

pytestmark = pytest.mark.skipif(not SHARED_MEMORY.is_dir(), reason="no POSIX shared memory in the file system")


@pytest.fixture
def region() -> Iterator[list[Path]]:
    """Collects regions that the test makes, and removes what is left of them."""
    made: list[Path] = []
    yield made
    for path in made:
        path.unlink(missing_ok=True)


def test_folder_and_regions_are_gone_at_the_end(region: list[Path]) -> None:
    with RuntimeFolder() as runtime:
        region.append(_make_region(runtime.region_prefix))
        assert runtime.path.stat().st_mode & 0o077 == 0
    assert not region[0].exists()
    assert not runtime.path.exists()


def test_what_a_dead_supervisor_left_is_swept(region: list[Path]) -> None:
    abandoned = Path(subprocess.run([sys.executable, "-c", ABANDON], stdout=subprocess.PIPE, text=True).stdout.strip())
    region.append(_make_region(f"{abandoned.name}-"))
    assert abandoned.is_dir()
    sweep_abandoned()
    assert not abandoned.exists()
    assert not region[0].exists()


def test_what_a_living_supervisor_owns_is_left_alone(region: list[Path]) -> None:
    with RuntimeFolder() as runtime:
        region.append(_make_region(runtime.region_prefix))
        sweep_abandoned()
        assert runtime.path.is_dir()
        assert region[0].exists()


def test_child_that_outlives_its_supervisor_keeps_what_it_uses() -> None:
    runtime = RuntimeFolder()
    child = subprocess.Popen(["sleep", "60"], pass_fds=(runtime.lock_fd,))
    os.close(runtime.lock_fd)
    sweep_abandoned()
    assert runtime.path.is_dir()
    child.kill()
    child.wait()
    sweep_abandoned()
    assert not runtime.path.exists()


def _make_region(prefix: str) -> Path:
    path = SHARED_MEMORY / f"{prefix}test"
    path.write_bytes(b"\0")
    return path
