"""Drills: what dies is brought back, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from ruiji_triton.config import ModelSettings
from ruiji_triton.errors import GaveUpError, RepositoryError, ServerError, StartError, StartTimeoutError
from ruiji_triton.repositories import WrittenRepositories, write_repositories
from ruiji_triton.settings import SupervisorSettings
from ruiji_triton.supervisor import TritonSupervisor
from tritonclient.utils import InferenceServerException

from tests.support.tiny_encoder import write_tiny_encoder
from tests.triton.helpers import embed, is_running, left_of, random_pixels, regions_of, runtime_of, stubs_of, wait_until

pytestmark = [pytest.mark.triton, pytest.mark.usefixtures("triton_installed")]

FOREGROUND = """
import sys
from pathlib import Path
from ruiji_triton.foreground import serve_until_signal
from ruiji_triton.settings import SupervisorSettings

serve_until_signal(
    SupervisorSettings(repository=Path(sys.argv[1])),
    lambda supervisor: print(supervisor.url, supervisor.pid, flush=True),
)
"""


@pytest.fixture
def repositories(tmp_path: Path) -> WrittenRepositories:
    write_tiny_encoder(tmp_path / "encoder")
    return write_repositories(tmp_path / "encoder", tmp_path, ModelSettings(warmup_batch_sizes=(1,)))


@pytest.fixture
def attentive(repositories: WrittenRepositories) -> SupervisorSettings:
    """Looks often, so that tests need not wait."""
    return SupervisorSettings(repository=repositories.embedded, watch_interval_s=0.1, probe_interval_s=0.5)


@pytest.fixture
def supervisor(attentive: SupervisorSettings) -> Iterator[TritonSupervisor]:
    with TritonSupervisor(attentive) as running:
        yield running


def test_killed_model_process_is_replaced_by_the_same_server(supervisor: TritonSupervisor) -> None:
    server = _pid(supervisor)
    (stub,) = stubs_of(server)
    os.kill(stub, signal.SIGKILL)
    # No request is sent until then: an idle encoder is watched too.
    wait_until(lambda: stubs_of(server) not in ([], [stub]))
    wait_until(lambda: _answers(supervisor))
    assert _pid(supervisor) == server


def test_failing_requests_bring_the_repair_without_waiting_for_a_probe(repositories: WrittenRepositories) -> None:
    settings = SupervisorSettings(repository=repositories.embedded, watch_interval_s=0.1, probe_interval_s=3600)
    with TritonSupervisor(settings) as supervisor:
        os.kill(stubs_of(_pid(supervisor))[0], signal.SIGKILL)
        assert not _answers(supervisor)
        wait_until(lambda: _answers(supervisor))


def test_one_dead_instance_of_two_is_found(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path / "encoder")
    written = write_repositories(tmp_path / "encoder", tmp_path, ModelSettings(instances=2))
    settings = SupervisorSettings(repository=written.embedded, watch_interval_s=0.1, probe_interval_s=0.5)
    with TritonSupervisor(settings) as supervisor:
        before = set(stubs_of(_pid(supervisor)))
        os.kill(max(before), signal.SIGKILL)
        wait_until(lambda: len(set(stubs_of(_pid(supervisor))) - before) == 2)
        wait_until(lambda: all(_answers(supervisor) for _ in range(4)))


def test_killed_server_comes_back_at_the_same_address(supervisor: TritonSupervisor) -> None:
    url, server = supervisor.url, _pid(supervisor)
    (stub,) = stubs_of(server)
    left_behind = regions_of(server)
    assert left_behind
    runtime = runtime_of(server)
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: _answers(supervisor))
    assert supervisor.url == url
    assert _pid(supervisor) != server
    assert not is_running(stub)
    assert not left_behind & {path.name for path in left_of(runtime)}


def test_server_that_hangs_is_replaced(repositories: WrittenRepositories) -> None:
    settings = SupervisorSettings(
        repository=repositories.embedded, watch_interval_s=0.1, probe_interval_s=0.2, probe_timeout_s=1.0
    )
    with TritonSupervisor(settings) as supervisor:
        server = _pid(supervisor)
        os.kill(server, signal.SIGSTOP)
        wait_until(lambda: supervisor.pid not in (None, server), at_most_s=60)
        wait_until(lambda: _answers(supervisor))
        assert not is_running(server)


def test_stop_leaves_no_process_no_shared_memory_and_no_folder(attentive: SupervisorSettings) -> None:
    with TritonSupervisor(attentive) as supervisor:
        server = _pid(supervisor)
        runtime = runtime_of(server)
        assert len(left_of(runtime)) > 1
        processes = [server, *stubs_of(server)]
        os.kill(processes[1], signal.SIGKILL)
        wait_until(lambda: _answers(supervisor))
    assert not left_of(runtime)
    assert not any(is_running(pid) for pid in processes)
    assert supervisor.wait(0)
    assert not supervisor.serving


def test_requests_in_flight_are_answered_when_a_stop_comes(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path / "encoder")
    patient = ModelSettings(max_queue_delay_us=800_000, warmup_batch_sizes=())
    written = write_repositories(tmp_path / "encoder", tmp_path, patient)
    with ThreadPoolExecutor(1) as pool, TritonSupervisor(SupervisorSettings(repository=written.embedded)) as supervisor:
        answer = pool.submit(embed, supervisor.url, written.encoder_id, random_pixels(2))
        # Long enough for the request to arrive, and less than it waits in the queue.
        time.sleep(0.3)
        supervisor.stop()
        assert answer.result().shape == (2, 128)


def test_sigterm_ends_the_foreground_and_all_that_it_started(repositories: WrittenRepositories) -> None:
    with _foreground(repositories) as (process, _, server):
        processes = [server, *stubs_of(server)]
        runtime = runtime_of(server)
        process.terminate()
        assert process.wait(30) == 0
    assert not left_of(runtime)
    assert not any(is_running(pid) for pid in processes)


def test_signal_during_the_start_ends_it_too(repositories: WrittenRepositories) -> None:
    started = threading.Event()
    supervisor = TritonSupervisor(SupervisorSettings(repository=repositories.embedded))

    def stop_soon() -> None:
        wait_until(lambda: supervisor.pid is not None)
        supervisor.request_stop()
        started.set()

    thread = threading.Thread(target=stop_soon)
    thread.start()
    with pytest.raises(StartError):
        supervisor.start()
    thread.join()
    assert started.is_set()


def test_first_start_that_hangs_is_tried_once_more(repositories: WrittenRepositories) -> None:
    with _starting(repositories, start_timeout_s=15.0) as (supervisor, start):
        hung = _freeze_next_server(supervisor)
        start.result()
        assert _pid(supervisor) != hung
        assert _answers(supervisor)
    assert not is_running(hung)


def test_start_that_hangs_twice_is_an_error(repositories: WrittenRepositories) -> None:
    with _starting(repositories, start_timeout_s=3.0) as (supervisor, start):
        hung = [_freeze_next_server(supervisor)]
        hung.append(_freeze_next_server(supervisor, but=hung))
        with pytest.raises(StartTimeoutError, match="tritonserver does not take calls"):
            start.result()
    assert not any(is_running(pid) for pid in hung)


def test_killed_supervisor_takes_its_server_along_and_the_next_one_cleans_up(
    repositories: WrittenRepositories, attentive: SupervisorSettings
) -> None:
    with _foreground(repositories) as (process, _, server):
        processes = [server, *stubs_of(server)]
        runtime = runtime_of(server)
        assert len(left_of(runtime)) > 1
        process.kill()
        process.wait()
        wait_until(lambda: not any(is_running(pid) for pid in processes))
    with TritonSupervisor(attentive):
        assert not left_of(runtime)


def test_supervisor_gives_up_when_restarts_do_not_help(repositories: WrittenRepositories) -> None:
    settings = SupervisorSettings(repository=repositories.embedded, watch_interval_s=0.1, restart_limit=2)
    with TritonSupervisor(settings) as supervisor:
        (repositories.embedded / repositories.encoder_id / "1" / "model.onnx").write_bytes(b"damaged")
        os.kill(_pid(supervisor), signal.SIGKILL)
        with pytest.raises(GaveUpError, match="3 times"):
            supervisor.wait(60)


def test_ports_may_be_given_and_metrics_are_served(repositories: WrittenRepositories) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = SupervisorSettings(repository=repositories.embedded, grpc_port=port, metrics_port=0)
    with TritonSupervisor(settings) as supervisor:
        assert supervisor.url == f"127.0.0.1:{port}"
        assert supervisor.metrics_url is not None
        with urlopen(supervisor.metrics_url) as answer:  # noqa: S310  (http, of our own making)
            assert f'nv_inference_count{{model="{repositories.encoder_id}"' in answer.read().decode()


def test_port_in_use_is_named(repositories: WrittenRepositories) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        supervisor = TritonSupervisor(SupervisorSettings(repository=repositories.embedded, grpc_port=port))
        with pytest.raises(StartError, match=f"127.0.0.1:{port}: Address already in use"):
            supervisor.start()


def test_encoder_that_is_not_in_the_repository_is_refused(repositories: WrittenRepositories) -> None:
    settings = SupervisorSettings(repository=repositories.embedded, encoder_ids=("enc-0000000000000000",))
    with pytest.raises(RepositoryError, match=f"holds {repositories.encoder_id} and not enc-0000000000000000"):
        TritonSupervisor(settings)


def test_supervisor_that_was_not_started_has_no_address(attentive: SupervisorSettings) -> None:
    supervisor = TritonSupervisor(attentive)
    with pytest.raises(ServerError, match="not been started"):
        _ = supervisor.url
    supervisor.stop()


def _answers(supervisor: TritonSupervisor) -> bool:
    try:
        embed(supervisor.url, supervisor.encoder_ids[0], random_pixels(1), timeout_s=5.0)
    except InferenceServerException:
        return False
    return True


@contextmanager
def _starting(
    repositories: WrittenRepositories, *, start_timeout_s: float
) -> Iterator[tuple[TritonSupervisor, Future[None]]]:
    """A supervisor in the middle of its start, and the start."""
    supervisor = TritonSupervisor(
        SupervisorSettings(repository=repositories.embedded, start_timeout_s=start_timeout_s, probe_timeout_s=1.0)
    )
    with ThreadPoolExecutor(1) as pool:
        try:
            yield supervisor, pool.submit(supervisor.start)
        finally:
            supervisor.stop()


def _freeze_next_server(supervisor: TritonSupervisor, but: Collection[int] = ()) -> int:
    """Stop the next tritonserver but those, as one hangs that waits for a lock."""
    wait_until(lambda: supervisor.pid is not None and supervisor.pid not in but)
    pid = _pid(supervisor)
    os.kill(pid, signal.SIGSTOP)
    return pid


def _pid(supervisor: TritonSupervisor) -> int:
    pid = supervisor.pid
    assert pid is not None
    return pid


@contextmanager
def _foreground(repositories: WrittenRepositories) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """Yield a process that serves in the foreground, its address and its tritonserver's process id."""
    command = [sys.executable, "-c", FOREGROUND, str(repositories.embedded)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url, pid = process.stdout.readline().split()
            yield process, url, int(pid)
        finally:
            process.kill()
