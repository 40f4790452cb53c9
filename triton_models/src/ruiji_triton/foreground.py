"""Serves in the foreground until a signal, as `ruiji triton` and containers want it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ruiji_triton.errors import StartError
from ruiji_triton.supervisor import TritonSupervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ruiji_triton.settings import SupervisorSettings

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve_until_signal(settings: SupervisorSettings, on_ready: Callable[[TritonSupervisor], None]) -> None:
    """Serve until SIGTERM or SIGINT, which let queued requests finish; call it from the main thread.

    Args:
        settings: what to serve and where.
        on_ready: called once, when every encoder answers.

    Raises:
        StartError: tritonserver did not come to answer.
        GaveUpError: it could not be brought back.
    """
    supervisor = TritonSupervisor(settings)
    signalled = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal signalled
        signalled = True
        supervisor.request_stop()

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        with supervisor:
            on_ready(supervisor)
            supervisor.wait()
    except StartError:
        if not signalled:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
