"""Python imports this at its start where the folder is on PYTHONPATH: the time of day comes from a file's offset.

`RUIJI_DRILL_CLOCK` names a file that holds by how many seconds the clock is ahead. Only `time.time_ns` lies, which is
what the store asks. gRPC counts its deadlines from `time.time` on by a clock of its own, which stays true here, as it
would not where the machine's clock jumps. libfaketime lies to all of them, and breaks sleeping: its clock_nanosleep
fails with EINVAL now and then.
"""

from __future__ import annotations

import os
import time

_offset_file = os.environ["RUIJI_DRILL_CLOCK"]
_true_time_ns = time.time_ns


def _time_ns() -> int:
    with open(_offset_file) as file:  # noqa: PTH123  (pathlib would be imported by every process)
        return _true_time_ns() + int(file.read()) * 1_000_000_000


time.time_ns = _time_ns
