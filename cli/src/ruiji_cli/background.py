"""Further processes of `ruiji up`: started, started again when they end, ended with it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ruiji_cli.children import ending_with_this

_LOG = logging.getLogger(__name__)
_RESTART_PAUSE_S = 2.0
_STOP_TIMEOUT_S = 15.0


@contextmanager
def kept_running(arguments: Sequence[str]) -> Iterator[None]:
    """Keep `ruiji ARGUMENTS` running in a process of its own until the context, or this process, ends."""
    stopping = threading.Event()
    command = ending_with_this([sys.executable, "-m", "ruiji_cli", *arguments])
    process = subprocess.Popen(command)

    def keep() -> None:
        nonlocal process
        while not stopping.is_set():
            try:
                code = process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
            if stopping.wait(_RESTART_PAUSE_S):
                return
            _LOG.warning("`ruiji %s` ended with code %d; starting it again", " ".join(arguments), code)
            process = subprocess.Popen(command)

    keeper = threading.Thread(target=keep, name=f"keep {arguments[0]}", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stopping.set()
        keeper.join()
        process.terminate()
        try:
            process.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
