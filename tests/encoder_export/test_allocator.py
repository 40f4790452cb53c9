"""Freed memory stays with a process that trains."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

STEPS = """
import resource, sys
import numpy as np
from ruiji_encoder.training.allocator import keep_freed_memory

assert sys.argv[1] == "as it comes" or keep_freed_memory()
for step in range(20):
    if step == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    maps = np.ones(8 << 20)  # 64 MiB
    del maps
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def fresh_pages(how: str) -> int:
    """Return how many pages the kernel had to bring while the same maps were made and dropped 19 times."""
    told = subprocess.run([sys.executable, "-c", STEPS, how], check=True, capture_output=True, text=True)
    return int(told.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_maps_that_come_again_take_no_fresh_pages() -> None:
    assert fresh_pages("kept") < 1000 < fresh_pages("as it comes")
