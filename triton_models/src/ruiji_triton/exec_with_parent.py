"""Becomes another program that the kernel ends together with the process that started it.

Run as a script: `python exec_with_parent.py PARENT_PID PROGRAM ARGUMENT...`. Popen's preexec_fn could do the same, but
runs Python between fork and exec, which is not safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h. The signal survives exec; it is sent when the thread that started this process ends."""


def main(parent_pid: int, command: list[str]) -> None:
    """Ask for SIGTERM when the parent ends, then run the command in this process."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl(PR_SET_PDEATHSIG): {os.strerror(code)}")
    if os.getppid() != parent_pid:
        # It ended before the request was made.
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  (no shell is wanted)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
