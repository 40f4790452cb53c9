"""Threads of a serving process do not take the core from each other."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="SCHED_BATCH is Linux's")

# In a process of its own: a thread cannot go back to where pytest was without a privilege.
PROGRAM = """
import os, sys, threading
from ruiji_cli.scheduling import run_in_batches

if sys.argv[1:] == ["idle"]:
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
run_in_batches()
found = []
thread = threading.Thread(target=lambda: found.append(os.sched_getscheduler(0)))
thread.start()
thread.join()
print(found[0])
"""


def policy_of_a_thread(*arguments: str) -> int:
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True)
    return int(ran.stdout)


def test_threads_that_are_started_after_it_run_in_batches():
    assert policy_of_a_thread() == os.SCHED_BATCH


def test_who_chose_another_policy_keeps_it():
    assert policy_of_a_thread("idle") == os.SCHED_IDLE
