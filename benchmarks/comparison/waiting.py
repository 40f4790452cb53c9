"""Waiting for a server's first answer."""

from __future__ import annotations

import asyncio

from benchmarks.comparison.load import Generator, Target
from benchmarks.comparison.processes import ServerProcess

_POLL_S = 0.01


async def first_answer(server: ServerProcess, target: Target, limit_s: float) -> None:
    """Ask for the first of a target's requests until it is answered.

    Raises:
        ContestantError: the server ended.
        TimeoutError: it does not answer within the limit.
    """
    one = Target(target.port, target.requests[:1], target.grpc_method)
    async with asyncio.timeout(limit_s):
        while True:
            server.require_running()
            try:
                async with Generator(one) as generator:
                    if (await generator.ask_each_once(1))[0] is not None:
                        return
            except OSError:
                pass
            await asyncio.sleep(_POLL_S)
