"""How the kernel shares a core among the threads of a serving process."""

from __future__ import annotations

import logging
import os

_LOG = logging.getLogger(__name__)


def run_in_batches() -> None:
    """Let threads of this process run on when another of them wakes; before any is started, since they inherit it.

    Each step of a call wakes a thread of gRPC, which has next to nothing to do and takes the core for it from the event
    loop: six times a call, there and back. Under SCHED_BATCH (sched(7)) it waits until the loop sleeps, and finds all
    that has come. Whoever chose a policy for this process keeps it.
    """
    if not hasattr(os, "SCHED_BATCH"):
        # Not Linux.
        return
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        return
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError as error:
        _LOG.info("threads take the core from each other, since SCHED_BATCH is not allowed here: %s", error)
