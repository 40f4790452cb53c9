"""Serves in the foreground until a signal, as `ruiji triton` and containers want it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ruiji_triton.supervisor import TritonSupervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ruiji_triton.settings import SupervisorSettings

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Signalled(BaseException):
    """Ends a wait in the main thread, as KeyboardInterrupt does."""


def serve_until_signal(settings: SupervisorSettings, on_ready: Callable[[TritonSupervisor], None]) -> None:
    """Serve until SIGTERM or SIGINT, which let queued requests finish; call it from the main thread.

    Args:
        settings: what to serve and where.
        on_ready: called once, when every encoder answers.

    Raises:
        InstallationError: there is no tritonserver that can run here.
        StartError: it did not come to answer.
        GaveUpError: it could not be brought back.
    """
    signalled = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        # An exception and no call of request_stop(): a handler must not take locks that the main thread may hold.
        nonlocal signalled
        if not signalled:
            signalled = True
            raise _Signalled

    supervisor = TritonSupervisor(settings)
    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        supervisor.start()
        on_ready(supervisor)
        supervisor.wait()
    except _Signalled:
        pass
    finally:
        supervisor.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
