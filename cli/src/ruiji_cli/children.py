"""Commands whose process ends with this one, even if this one is killed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def ending_with_this(command: Sequence[str]) -> list[str]:
    """Return a command that runs another as a child which gets SIGTERM when the thread that started it ends.

    Without that, a child outlives a killed parent: a load goes on for hours, a worker for ever. Only Linux knows the
    request; elsewhere the command is returned as it is.

    Args:
        command: absolute path of a program, and its arguments.
    """
    if sys.platform != "linux":
        return list(command)
    from ruiji_triton import exec_with_parent

    return [sys.executable, "-I", "-S", exec_with_parent.__file__, str(os.getpid()), *command]
