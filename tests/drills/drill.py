"""The drill: work goes on, something is killed at a random moment, comes back, and the books are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from ruiji_client import EmbeddingStatus, RuijiClientError, UnavailableError

from tests.drills.answers import compare_answers
from tests.drills.installation import Installation, wait_until_reachable, wait_until_serving
from tests.drills.kills import KINDS, Kind, Probe
from tests.drills.ledger import Ledger, Listing
from tests.drills.processes import wait_for
from tests.drills.writers import Complaints, Reader, Writer, at_work, read_listing

WRITERS = 4
_SEEDED_ITEMS = 40
_COMPARED_PAGES = 25
_LONGEST_OUTAGE_S = 0.5
_PATIENCE_S = 60.0
_DRAIN_S = 300.0
"""Pictures of a worker that was killed wait for the end of its lease."""


@dataclass(frozen=True)
class Death:
    """One kill and what was found after it."""

    kind: str
    back_s: float
    """From the restart until it worked again; for what a supervisor replaces, from the kill."""
    items: int
    """Acknowledged items that were compared with the catalogue."""
    pages: int
    """Pages that were compared with those of a clean rebuild."""
    unanswered: int
    """Requests whose caller got no answer and gave up."""
    applied: int
    """Those that had been applied all the same."""
    lost: int
    """Acknowledged items that did not stand as they should."""
    wrong: tuple[str, ...]
    """Those items, requests that were half applied, pages that differ, calls that failed as they must not."""


@dataclass
class Outcome:
    """All of a drill."""

    store: str
    seed: int
    deaths: list[Death] = field(default_factory=list)
    acknowledged_requests: int = 0
    acknowledged_items: int = 0
    """Items that were ever acknowledged."""
    answered_pages: int = 0
    own_ends: dict[str, int] = field(default_factory=dict)
    """Processes that ended without being killed, because of what was."""
    never_embedded: tuple[str, ...] = ()

    @property
    def wrong(self) -> list[str]:
        """Everything that must not be."""
        return [what for death in self.deaths for what in death.wrong] + list(self.never_embedded)


class Drill:
    """Writers, readers and their books on one installation. Close it, or use it as a context."""

    def __init__(self, installation: Installation, seed: int, *, longest_work_s: float = 1.5) -> None:
        """Prepare a drill.

        Args:
            installation: what is drilled.
            seed: of everything that is left to chance.
            longest_work_s: longest time between the beginning of work and a kill.
        """
        self._installation = installation
        self._longest_work_s = longest_work_s
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger()
        self._complaints = Complaints([])
        self._stack = ExitStack()
        clients = [self._stack.enter_context(installation.client()) for _ in range(3)]
        self._client = clients[0]
        self._prober = Writer("probe", self._client, self._ledger, self._complaints, seed)
        self._writers = [
            Writer(f"writer{n}", clients[n % 2], self._ledger, self._complaints, seed + 1 + n) for n in range(WRITERS)
        ]
        self._reader = Reader(clients[2], self._ledger, self._complaints, seed)
        store = "PostgreSQL" if installation.postgresql else "SQLite"
        self.outcome = Outcome(store, seed)

    def __enter__(self) -> Drill:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def prepare(self) -> None:
        """Fill the catalogue a little and wait until it is served."""
        wait_until_reachable(self._installation, self._client)
        for _ in range(_SEEDED_ITEMS // 5):
            self._prober.create(5)
        wait_until_serving(self._installation, self._client)

    def run(self, kinds: Iterable[Kind], progress: Callable[[Death], None] = lambda _: None) -> Outcome:
        """Die in each of these ways, one after the other, and look at the books after each."""
        for kind in kinds:
            death = self.die(kind)
            self.outcome.deaths.append(death)
            self._count()
            progress(death)
        return self.outcome

    def die(self, kind: Kind) -> Death:
        """Kill under load, start again, wait for life, compare."""
        installation, rng = self._installation, self._rng
        runs = [writer.run for writer in self._writers]
        with at_work([*runs, self._reader.run]):
            time.sleep(float(rng.uniform(0.1, self._longest_work_s)))
            kind.kill(installation, rng)
            time.sleep(float(rng.uniform(0.0, _LONGEST_OUTAGE_S)))
            started = time.monotonic()
            if kind.postgresql_only or kind.name == "everything at once":
                self._restart_postgresql()
            for process in installation.processes.values():
                process.start()
            kind.works_again(Probe(installation, self._client, lambda: self._prober.create(1)[0]))
            back_s = time.monotonic() - started
        return self._compare(kind.name, back_s)

    def drain(self) -> None:
        """Wait until everything that is there has its embedding; what never gets one is a finding."""
        waiting = list(self._ledger.present())

        def drained() -> bool:
            waiting[:] = [item_id for item_id in waiting if not self._is_embedded(item_id)]
            return not waiting

        try:
            wait_for(drained, "embeddings", timeout_s=_DRAIN_S, tend=self._installation.tend)
        except TimeoutError:
            self.outcome.never_embedded = tuple(f"{item_id} was never embedded" for item_id in waiting)

    def _count(self) -> None:
        outcome = self.outcome
        outcome.acknowledged_requests = self._ledger.acknowledgements
        outcome.acknowledged_items = self._ledger.items
        outcome.answered_pages = self._reader.answers
        outcome.own_ends = {name: process.deaths for name, process in self._installation.processes.items()}

    def _compare(self, kind: str, back_s: float) -> Death:
        wait_until_serving(self._installation, self._client)
        findings = self._ledger.audit(self._read)
        comparison = compare_answers(
            self._installation, self._client, sample=_COMPARED_PAGES, seed=int(self._rng.integers(1 << 30))
        )
        wrong = (*findings.wrong, *comparison.differences, *self._complaints.messages)
        self._complaints.messages.clear()
        return Death(
            kind, back_s, findings.items, comparison.pages, findings.unanswered, findings.applied,
            len(findings.lost), tuple(f"after {kind}: {what}" for what in wrong),
        )  # fmt: skip

    def _read(self, item_id: str) -> Listing | None:
        """Read an item, also while serving processes whose parent was killed make way for their successors."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return read_listing(self._client, item_id)
            except RuijiClientError as error:
                if not isinstance(error, UnavailableError) or time.monotonic() > deadline:
                    raise
                self._installation.tend()
                time.sleep(0.1)

    def _restart_postgresql(self) -> None:
        if self._installation.postgresql is not None:
            self._installation.postgresql.start()

    def _is_embedded(self, item_id: str) -> bool:
        try:
            statuses = self._client.get_item(item_id).embeddings
        except RuijiClientError:
            return False
        return any(status.stage == EmbeddingStatus.STAGE_EMBEDDED for status in statuses)


def kinds_for(installation: Installation, kills: int, seed: int) -> list[Kind]:
    """Return that many ways to die, each kind about as often as the others, in random order."""
    possible = [kind for kind in KINDS.values() if installation.postgresql is not None or not kind.postgresql_only]
    every = [possible[number % len(possible)] for number in range(kills)]
    return [every[position] for position in np.random.default_rng(seed).permutation(kills)]
