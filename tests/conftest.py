"""Fixtures for all rooms."""

from __future__ import annotations

import os

# Tests share few cores; without this every library starts a thread for each of them.
os.environ.setdefault("OMP_NUM_THREADS", "1")

pytest_plugins = ["tests.support.triton_fixture"]
