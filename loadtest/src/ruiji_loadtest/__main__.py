"""`python -m ruiji_loadtest OPTIONS` is `locust --headless -f <our locustfile> OPTIONS`."""

from __future__ import annotations

import os
import sys

from ruiji_loadtest.headless import locust_command

if __name__ == "__main__":
    os.execv(sys.executable, locust_command(sys.argv[1:]))  # noqa: S606  (no shell is meant)
