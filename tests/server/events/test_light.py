"""Keeping events costs a serving process no heavy library."""

from __future__ import annotations

import subprocess
import sys


def test_a_serving_process_loads_neither_pyarrow_nor_duckdb():
    program = "import sys, ruiji_server.services.server; print({'pyarrow', 'duckdb', 'pandas'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "set()\n"
    )
