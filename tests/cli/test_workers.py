"""`ruiji serve --workers`: several processes that look like one server, whatever becomes of each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from ruiji_cli.failures import UsageProblem
from ruiji_cli.supervisor import held_port
from ruiji_client import ClientSettings, RuijiClient, Tls, UnauthenticatedError

from tests.support.catalogues import build, fill_store
from tests.support.certificates import make_certificate

TOKEN = "open-sesame"  # noqa: S105  (a test's token)
PATIENCE_S = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a served catalogue, a certificate and a token."""
    folder = tmp_path_factory.mktemp("data")
    store = fill_store(folder, 300)
    build(store, folder / "generations")
    store.database.close()
    make_certificate(folder, "localhost")
    (folder / "token").write_text(TOKEN)
    return folder


@dataclass
class Running:
    """A parent with its workers."""

    process: subprocess.Popen[str]
    port: int
    metrics_port: int
    settings: ClientSettings

    def client(self, **changes: object) -> RuijiClient:
        fields = {"target": self.settings.target, "tls": self.settings.tls, "token": TOKEN, **changes}
        return RuijiClient(ClientSettings(**fields))  # type: ignore[arg-type]

    def workers(self) -> set[int]:
        """Return the process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}

    def metric(self, sample: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(sample))

    def health(self) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/health") as answer:
                return f"{answer.status} {answer.read().decode().strip()}"
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode().strip()}"


@contextmanager
def running(data: Path, *options: str, workers: int = 2) -> Iterator[Running]:
    metrics_port = free_port()
    command = [sys.executable, "-m", "ruiji_cli", "serve", "--data", str(data), "--address", "127.0.0.1:0"]
    command += ["--workers", str(workers), "--metrics-port", str(metrics_port), "--drain-s", "0.2"]
    command += ["--tls-certificate", str(data / "chain.pem"), "--tls-key", str(data / "key.pem")]
    command += ["--token-file", str(data / "token"), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            assert line.startswith(f"{workers} workers listen on port "), line
            port = int(line.split("port ")[1].split(";")[0])
            tls = Tls(root_certificates=(data / "chain.pem").read_bytes())
            yield Running(process, port, metrics_port, ClientSettings(f"localhost:{port}", tls=tls, token=TOKEN))
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[Running]:
    with running(data) as server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def until(promise: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + PATIENCE_S
    while not promise():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def ask_on_new_connections(server: Running, count: int) -> None:
    for number in range(count):
        # gRPC gives channels with equal arguments one connection; the user agent makes them differ.
        with server.client(user_agent=f"connection-{number}") as client:
            assert client.similar_items(item_id="item-00001").items


def test_two_workers_answer_on_one_port_with_tls_and_a_token(server):
    assert len(server.workers()) == 2
    ask_on_new_connections(server, 3)
    with pytest.raises(UnauthenticatedError), server.client(token="guess") as client:  # noqa: S106
        client.info()


def test_workers_give_large_arrays_back_at_once(server):
    for pid in server.workers():
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert {b"MALLOC_MMAP_THRESHOLD_=1048576", b"MALLOC_TRIM_THRESHOLD_=1048576"} <= set(environment)


def test_one_endpoint_adds_up_what_all_workers_did(server):
    answered = 'ruiji_rpc_seconds_count{code="OK",rpc="SimilarItems"}'
    # Workers pass on what they count a little later.
    time.sleep(1.0)
    before = server.metric(answered)
    ask_on_new_connections(server, 12)
    until(lambda: server.metric(answered) == before + 12)
    assert server.metric("ruiji_workers_ready") == 2
    assert server.metric("ruiji_generation_items") == 300
    assert server.health() == "200 2 of 2 workers answer"


def test_the_port_is_not_shared_with_a_stranger(server):
    with pytest.raises(UsageProblem, match="is the port in use"), held_port(f"127.0.0.1:{server.port}"):
        pass


def test_a_worker_that_dies_is_replaced(server):
    victim = min(server.workers())
    restarts = server.metric("ruiji_worker_restarts_total")
    os.kill(victim, signal.SIGKILL)
    until(lambda: server.metric("ruiji_worker_restarts_total") == restarts + 1)
    until(lambda: server.health() == "200 2 of 2 workers answer")
    assert victim not in server.workers()
    ask_on_new_connections(server, 3)


def test_a_rolling_restart_fails_no_call(server):
    """All workers are replaced while a client with its usual retries keeps asking."""
    before = server.workers()
    failures: list[Exception] = []
    answers = 0
    done = threading.Event()

    def ask() -> None:
        nonlocal answers
        with server.client() as client:
            while not done.is_set():
                try:
                    client.similar_items(item_id="item-00001", timeout_s=60)
                except Exception as error:  # noqa: BLE001  (whatever it is, it is a call that failed)
                    failures.append(error)
                answers += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        server.process.send_signal(signal.SIGHUP)
        until(lambda: len(server.workers()) == 2 and not server.workers() & before)
        until(lambda: server.health() == "200 2 of 2 workers answer")
    finally:
        done.set()
        asking.join()
    assert failures == []
    assert answers > 10
    ask_on_new_connections(server, 3)


def test_sigterm_drains_all_workers_and_ends_with_success(data):
    with running(data) as server:
        workers = server.workers()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=PATIENCE_S) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_workers_end_when_their_parent_is_gone(data):
    with running(data, workers=3) as server:
        workers = server.workers()
        assert len(workers) == 3
        server.process.kill()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_start_that_cannot_succeed_fails_at_once(tmp_path):
    command = [sys.executable, "-m", "ruiji_cli", "serve", "--data", str(tmp_path), "--address", "127.0.0.1:0"]
    done = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "there is no store at" in said
    assert "a worker could not start" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("address", ["unix:/tmp/socket", "localhost", "localhost:http"])
def test_an_address_that_processes_cannot_share_is_refused(address):
    with pytest.raises(UsageProblem, match="needs a host and a port"), held_port(address):
        pass


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:0", "0.0.0.0:0", "[::]:0"])
def test_a_held_port_is_named_and_stays_free_for_workers(address):
    with held_port(address) as held:
        host, _, port = held.rpartition(":")
        assert host == address.rpartition(":")[0]
        assert int(port) > 0
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as worker:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind((host.strip("[]"), int(port)))
            worker.listen()
