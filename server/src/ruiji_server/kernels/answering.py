"""Whole answers by one call: a request is read, its item found, its page made and written.

A call from Python into C costs about as much as what such a call does, and what Python does around it costs several
times that in a server, which has to be brought into the processor's caches for each request. So there is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Any, Final, NamedTuple

from ruiji_server.kernels.columns import LONGEST_ITEM_BYTES, PageBuffer
from ruiji_server.kernels.comparing import Meeting
from ruiji_server.kernels.library import KERNELS, REFUSED, UNCOMPARED, UNPLANNED, UNSEEDED
from ruiji_server.kernels.listed import CompiledCatalogue, Wanted

_SETTINGS_BYTES: Final = 512
"""Longest settings of a request; longer ones are left to Python."""
_PLANS_AT_MOST: Final = 64
_RANDOM_BYTES: Final = 10 * 256
"""For so many answers the operating system is asked for random bytes once."""
_FIELDS: Final = 16

NEVER: Final = 2**62
"""Answers that no process lives to give."""


class Remarks(IntFlag):
    """What there is to say about an answer."""

    SHORT = 1
    """It has fewer items than were asked for."""
    EXACT_SCAN = 2
    """Its whole price band was compared."""
    WATCHED = 4
    """It is the one that `Answering.watch_after` meant."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What the fields of a request are, by their numbers, and which are left to Python."""

    item: int
    """Id of the item that is asked for."""
    settings: Sequence[int]
    """Decide how it is answered."""
    unit: int
    """Who asks."""
    attributes: int
    """Of who asks."""
    idle: Sequence[int]
    """Say nothing about items of a generation."""
    unit_bytes: int
    """Most that are not left to Python, as for all that follow."""
    attributes_at_most: int
    attribute_name_bytes: int
    attribute_value_bytes: int
    exhausted: bytes
    """End of an answer after which there is no other item."""


class Choice(NamedTuple):
    """A generation that answers some of the requests with the same settings."""

    share_end: float
    """Items whose hash, from 0 to 1, is below are answered by it. The last one answers all others."""
    catalogue: CompiledCatalogue | None
    """None leaves them to Python."""
    wanted: Wanted | None
    """What their pages are; None as above."""
    opening: bytes
    """The beginning of its answers, up to the digits of the request id."""


class Answering:
    """Answers requests for items. One at a time: not to be used by two threads."""

    def __init__(
        self,
        contract: Contract,
        plan: Callable[[bytes], Sequence[Choice]],
        remark: Callable[[Remarks, bytes], None],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Prepare to answer.

        Args:
            contract: what requests and answers are.
            plan: by what requests with some settings are answered: serialised, without item and who asks; nothing
                leaves them to Python.
            remark: told what there is to say about an answer, if there is something, and the request.
            random: makes random bytes.

        Raises:
            ValueError: there are no kernels.
        """
        if KERNELS is None:
            raise ValueError("requests cannot be answered where there are no kernels")
        self._ffi, self._library = KERNELS
        self._plan, self._remark, self._random = plan, remark, random
        self._call, self._buffer = self._library.ruiji_answer, self._ffi.buffer
        self._plans = self._ffi.new("ruiji_plan[]", _PLANS_AT_MOST)
        self._catalogues: dict[Any, CompiledCatalogue] = {}
        exhausted = self._ffi.from_buffer("uint8_t[]", contract.exhausted)
        settings = self._ffi.new("uint8_t[]", _SETTINGS_BYTES)
        of_contract = self._ffi.new(
            "ruiji_contract *",
            (
                self._kinds(contract), contract.unit_bytes, contract.attributes_at_most, contract.attribute_name_bytes,
                contract.attribute_value_bytes, exhausted, len(contract.exhausted),
            ),
        )  # fmt: skip
        # A pointer does not keep alive what it points to.
        self._kept = (exhausted, settings, of_contract, contract.exhausted)
        self._pointed: list[object] = [None] * _PLANS_AT_MOST
        self._seed: Any = None
        self._pointers = self._ffi.new(
            "ruiji_answering *",
            {
                "contract": of_contract,
                "settings": settings,
                "settings_room": _SETTINGS_BYTES,
                "plans": self._plans,
            },
        )
        self._move_to(_Room(self._ffi, page_size=1, candidates=1, met=1, opening=0))
        self.watch_after(NEVER)
        self.forget()

    def heed_units(self, *, heeded: bool) -> None:
        """Say whether requests that say who asks are left to Python from now on."""
        self._pointers.unit_matters = heeded

    def watch_after(self, answers: int) -> None:
        """Have `remark` told of the answer after so many, and of all after it."""
        self._pointers.unwatched = answers

    def forget(self) -> None:
        """Forget all plans, for other generations may answer, or others of their requests."""
        self._planned = 0
        self._pointers.n_plans = 0
        self._pointed = [None] * _PLANS_AT_MOST
        self._catalogues.clear()

    def answer(self, request: bytes) -> bytes | None:
        """Return the answer to a request; None leaves it to Python."""
        written = self._call(self._pointers, request, len(request))
        if written < 0:
            written = self._answer_with_what_lacks(request, written)
            if written < 0:
                return None
        if self._pointers.remarks:
            content: bytes = self._buffer(self._out, written)[:]
            self._remark(Remarks(self._pointers.remarks), request)
            return content
        return self._buffer(self._out, written)[:]  # type: ignore[no-any-return]  # cffi's

    def _answer_with_what_lacks(self, request: bytes, written: int) -> int:
        # Each of them can be lacking once.
        for _ in range(3):
            if written >= 0 or written == REFUSED:
                break
            self._provide(written)
            written = self._call(self._pointers, request, len(request))
        return written

    def _provide(self, lacking: int) -> None:
        """Get what was missing for an answer."""
        pointers = self._pointers
        if lacking == UNPLANNED:
            self._plan_for(bytes(self._ffi.buffer(pointers.settings, pointers.settings_bytes)))
        elif lacking == UNCOMPARED:
            self._catalogues[pointers.choice.catalogue].compare(pointers.category)
        elif lacking == UNSEEDED:
            self._seed = self._ffi.from_buffer("uint8_t[]", self._random(_RANDOM_BYTES))
            pointers.random, pointers.random_bytes = self._seed, len(self._seed)

    def _plan_for(self, settings: bytes) -> None:
        choices = self._plan(settings)
        for choice in choices:
            if choice.wanted is not None and choice.catalogue is not None:
                self._make_room(choice.wanted, choice.catalogue.width, len(choice.opening))
        # In the place of the oldest plan, once there are many.
        place = self._planned % _PLANS_AT_MOST
        self._plans[place], self._pointed[place] = self._pointed_plan(settings, choices)
        self._planned += 1
        self._pointers.n_plans = min(self._planned, _PLANS_AT_MOST)

    def _make_room(self, wanted: Wanted, width: int, opening: int) -> None:
        room = self._room
        page_size = max(room.page_size, wanted.page_size)
        candidates = max(room.candidates, wanted.pool_size, width)
        met = max(room.met, wanted.met_enough + width, wanted.scanned_at_most)
        opening = max(room.opening, opening)
        if (page_size, candidates, met, opening) != (room.page_size, room.candidates, room.met, room.opening):
            self._move_to(_Room(self._ffi, page_size=page_size, candidates=candidates, met=met, opening=opening))

    def _move_to(self, room: _Room) -> None:
        self._room, self._out, pointers = room, room.out, self._pointers
        pointers.room, pointers.out, pointers.out_bytes = room.pointers, room.out, len(room.out)

    def _pointed_plan(self, settings: bytes, choices: Sequence[Choice]) -> tuple[Mapping[str, object], object]:
        """Return a `ruiji_plan`, and what it points to."""
        pointed = [self._pointed_choice(choice) for choice in choices]
        of_choices = self._ffi.new("ruiji_choice[]", [fields for fields, _ in pointed])
        of_settings = self._ffi.from_buffer("uint8_t[]", settings)
        plan = {
            "settings": of_settings,
            "settings_bytes": len(settings),
            "choices": of_choices,
            "n_choices": len(choices),
        }
        return plan, (of_choices, of_settings, settings, choices, pointed)

    def _pointed_choice(self, choice: Choice) -> tuple[Mapping[str, object], object]:
        """Return a `ruiji_choice`, and what it points to."""
        if choice.catalogue is None or choice.wanted is None or not choice.wanted.fits:
            return {"share_end": choice.share_end}, None
        catalogue = choice.catalogue.pointers
        self._catalogues[catalogue] = choice.catalogue
        wanted = self._ffi.new("ruiji_wanted *", choice.wanted)
        opening = self._ffi.from_buffer("uint8_t[]", choice.opening)
        fields = {
            "share_end": choice.share_end,
            "catalogue": catalogue,
            "wanted": wanted,
            "opening": opening,
            "opening_bytes": len(choice.opening),
        }
        return fields, (wanted, opening)

    def _kinds(self, contract: Contract) -> list[int]:
        library, kinds = self._library, [0] * _FIELDS
        kinds[contract.item] = library.RUIJI_FIELD_ITEM
        kinds[contract.unit] = library.RUIJI_FIELD_UNIT
        kinds[contract.attributes] = library.RUIJI_FIELD_ATTRIBUTE
        for number in contract.settings:
            kinds[number] = library.RUIJI_FIELD_SETTING
        for number in contract.idle:
            kinds[number] = library.RUIJI_FIELD_IDLE
        return kinds


class _Room:
    """Where one answer comes about."""

    def __init__(self, ffi: Any, *, page_size: int, candidates: int, met: int, opening: int) -> None:  # noqa: ANN401  (cffi's)
        self.page_size, self.candidates, self.met, self.opening = page_size, candidates, met, opening
        meeting, page = Meeting(met), PageBuffer(ffi, page_size)
        kept = {
            "rows": ffi.new("int64_t[]", candidates),
            "cosines": ffi.new("float[]", candidates),
            "merged_rows": ffi.new("int64_t[]", candidates),
            "merged_cosines": ffi.new("float[]", candidates),
            "meeting": meeting.pointers,
            "page": page.pointers,
        }
        self._kept = (kept, meeting, page)
        self.pointers = ffi.new("ruiji_room *", {**kept, "candidates": candidates})
        # The request id and the end fit into what an item may take.
        self.out = ffi.new("uint8_t[]", opening + (page_size + 1) * LONGEST_ITEM_BYTES)
