"""Looking up the hosts of pictures: what a name resolves to is checked right before connecting."""

from __future__ import annotations

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from ruiji_server.embedding.pictures.addresses import AddressPolicy


class GuardedResolver(AbstractResolver):
    """Resolves names to those of their addresses that may be connected to."""

    def __init__(self, resolver: AbstractResolver, policy: AddressPolicy) -> None:
        """Guard another resolver."""
        self._resolver = resolver
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the permitted addresses of a host.

        Raises:
            PictureRefused: it has none.
            OSError: it cannot be resolved.
        """
        found = await self._resolver.resolve(host, port, family)
        if self._policy.trusts(host):
            return found
        permitted = [result for result in found if self._policy.permits(result["host"])]
        if not permitted:
            raise self._policy.refusal(host)
        return permitted

    async def close(self) -> None:
        """Close the resolver that is guarded."""
        await self._resolver.close()
