"""How Locust is started on our locustfile: in a process of its own.

Locust patches the standard library for gevent before anything else is imported, which no other program would survive.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def locust_command(options: Sequence[str]) -> list[str]:
    """Return the command line of a headless run, for `subprocess` or `os.execv`.

    Args:
        options: Locust's own, and those of `locust_users`, such as `["--host", "localhost:50051"]`.
    """
    return [sys.executable, "-m", "locust", "--headless", "-f", str(LOCUSTFILE), *options]
