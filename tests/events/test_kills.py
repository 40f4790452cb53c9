"""Servers that are killed under load: every acknowledged event is there exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ruiji_client import ClientSettings, EventOutcome, RuijiClient, RuijiClientError, purchase_event
from ruiji_client import Price as ClientPrice
from ruiji_server.store.engine import open_database

from tests.support.events import Events

PRICE = ClientPrice(amount_minor=900, currency_code="JPY")
PATIENCE_S = 60


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An installation without items: events need none."""
    open_database(f"sqlite:///{tmp_path / 'store.sqlite'}", create=True).close()
    return tmp_path


@contextmanager
def serving(data: Path, events: Events, workers: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a server's process and its port."""
    command = [sys.executable, "-m", "ruiji_cli", "serve", "--data", str(data), "--events", str(events.root)]
    command += ["--address", "127.0.0.1:0", "--workers", str(workers), "--drain-s", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"}) as process:
        assert process.stdout is not None
        try:
            told = process.stdout.readline().split()
            assert "port" in told, f"the server did not start: {told}"
            yield process, int(told[told.index("port") + 1].rstrip(";"))
        finally:
            process.terminate()


class Recorder:
    """Records batches from a few threads, each again until it is acknowledged, and remembers which were."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.batches = 0
        self.sent: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def at_work(self, port: int, *, patient: bool) -> Iterator[None]:
        """Send until the context ends.

        Args:
            port: of the server.
            patient: send again what failed, until somebody acknowledges it.
        """
        stop = threading.Event()
        with RuijiClient(ClientSettings(f"127.0.0.1:{port}", retries=None)) as client:
            threads = [threading.Thread(target=self._send, args=(client, stop, patient)) for _ in range(4)]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                stop.set()
                for thread in threads:
                    thread.join()

    def _send(self, client: RuijiClient, stop: threading.Event, patient: bool) -> None:
        while not stop.is_set():
            batch = [purchase_event("item", PRICE) for _ in range(20)]
            with self._lock:
                self.sent |= {event.event_id for event in batch}
            while True:
                try:
                    outcomes = client.record_events(batch, timeout_s=10).outcomes
                except RuijiClientError:
                    if not patient or stop.wait(0.05):
                        break
                    continue
                assert all(outcome.kind != EventOutcome.KIND_REJECTED for outcome in outcomes)
                with self._lock:
                    self.acknowledged |= {event.event_id for event in batch}
                    self.batches += 1
                break


def test_a_server_killed_under_load_loses_nothing_that_it_acknowledged(data, events):
    recorder = Recorder()
    for _ in range(2):
        with serving(data, events, workers=1) as (process, port), recorder.at_work(port, patient=False):
            enough = recorder.batches + 50
            wait_for(lambda: recorder.batches >= enough, "batches to be acknowledged")  # noqa: B023
            process.kill()
            process.wait()
    compacted = events.compact()
    found = events.ids("purchases")
    assert len(found) == len(set(found))
    assert recorder.acknowledged <= set(found) <= recorder.sent
    assert compacted.segments == 2


def test_workers_that_are_killed_share_a_journal_and_what_is_sent_again_counts_once(data, events):
    recorder = Recorder()
    with serving(data, events, workers=2) as (process, port), recorder.at_work(port, patient=True):
        for _ in range(2):
            enough = recorder.batches + 50
            wait_for(lambda: recorder.batches >= enough, "batches to be acknowledged")  # noqa: B023
            events.compact()
            os.kill(a_worker_of(process.pid), signal.SIGKILL)
        enough = recorder.batches + 50
        wait_for(lambda: recorder.batches >= enough, "batches to be acknowledged")
    events.compact()
    found = events.ids("purchases")
    assert len(found) == len(set(found))
    assert recorder.acknowledged <= set(found) <= recorder.sent


def a_worker_of(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next(int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes())
