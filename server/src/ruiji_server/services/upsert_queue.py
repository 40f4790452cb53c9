"""Upserts that arrive together are written together: one transaction, one wait for the disk, for all of them.

A lone request is written at once. While it is, others gather, and the next transaction takes them all; so the busier
the server, the cheaper each of them, and nobody waits for a timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from ruiji_server.domain.errors import InvalidArgument, RuijiError
from ruiji_server.domain.items import Item
from ruiji_server.store.catalogue import CatalogueStore, UpsertAnswer, UpsertRequest

_LOG = logging.getLogger(__name__)

_MOST_ITEMS: Final = 256
"""Items in one transaction, unless a single request has more: readers of the feed wait for it."""

_Waiting = tuple[UpsertRequest, "asyncio.Future[UpsertAnswer]"]


class UpsertQueue:
    """Applies requests in the order of their arrival. Use it in one event loop, and close it."""

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store
        self._waiting: deque[_Waiting] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="upserts")
        self._writing: asyncio.Task[None] | None = None

    async def upsert(self, request: UpsertRequest) -> UpsertAnswer:
        """Apply a request; its items are durable when this returns. A caller who leaves stops nothing.

        Raises:
            InvalidArgument, Unavailable, Overloaded: see `CatalogueStore.upsert`.
        """
        answer: asyncio.Future[UpsertAnswer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await answer

    async def close(self) -> None:
        """Write what waits, and end."""
        if self._writing is not None:
            await self._writing
        self._thread.shutdown()

    async def _write(self) -> None:
        try:
            while group := self._next_group():
                await self._apply(group)
        finally:
            self._writing = None

    def _next_group(self) -> list[_Waiting]:
        """Take requests from the front, up to the first that repeats an id: it has to see what the others wrote."""
        group: list[_Waiting] = []
        request_ids: set[str] = set()
        item_ids: set[str] = set()
        while self._waiting:
            request, answer = self._waiting[0]
            own_ids = {entry.item_id for entry in request.batch if isinstance(entry, Item)}
            repeats = request.name.request_id in request_ids or not own_ids.isdisjoint(item_ids)
            if group and (repeats or len(item_ids) + len(own_ids) > _MOST_ITEMS):
                break
            self._waiting.popleft()
            # Whose caller has left before it was begun is not written.
            if not answer.cancelled():
                group.append((request, answer))
                request_ids.add(request.name.request_id)
                item_ids |= own_ids
        return group

    async def _apply(self, group: Sequence[_Waiting]) -> None:
        requests = [request for request, _ in group]
        results: Sequence[UpsertAnswer | Exception]
        try:
            results = await self._in_thread(requests)
        except RuijiError as error:
            results = [error] * len(group)
        except Exception as error:  # noqa: BLE001  (a fault that one request brings must not fail the others)
            if len(group) > 1:
                _LOG.exception("%d upserts cannot be applied together; they are applied one by one", len(group))
                for single in group:
                    await self._apply([single])
                return
            results = [error]
        for (_, answer), result in zip(group, results, strict=True):
            if answer.cancelled():
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)

    async def _in_thread(self, requests: Sequence[UpsertRequest]) -> Sequence[UpsertAnswer | InvalidArgument]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._store.upsert_together, requests)
