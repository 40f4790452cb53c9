"""The Locust run fails when the server does, and only then."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from ruiji.v1 import recommendation_pb2

from tests.support.reference_server import Fault, ReferenceServer

Locust = Callable[..., "subprocess.CompletedProcess[str]"]

USERS = 5
RUN_TIME_S = 3
GENEROUS_MS = 60_000


@pytest.fixture
def locust(server: ReferenceServer, item_ids_file: Path) -> Locust:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ruiji_loadtest", "--host", server.target, "--item-ids", str(item_ids_file)]
        command += ["--users", str(USERS), "--spawn-rate", "100", "--run-time", f"{RUN_TIME_S}s", "--only-summary"]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)

    return run


def test_a_server_that_answers_passes(locust: Locust, server: ReferenceServer, item_ids: tuple[str, ...]) -> None:
    result = locust("--max-p99-ms", str(GENEROUS_MS), "--requests-per-user", "4", "--connections", "2")
    assert result.returncode == 0, result.stderr
    calls = server.calls("SimilarItems")
    # Each user asks at once and then at its pace; a busy machine may make it fewer, never more.
    assert USERS <= len(calls) <= USERS * (4 * RUN_TIME_S + 2)
    asked = Counter(
        call.request.item_id for call in calls if isinstance(call.request, recommendation_pb2.SimilarItemsRequest)
    )
    assert set(asked) <= set(item_ids)
    assert len({call.peer for call in calls}) == 2


def test_one_failed_request_fails_the_run(locust: Locust, server: ReferenceServer) -> None:
    server.faults.append(Fault(grpc.StatusCode.UNAVAILABLE))
    result = locust("--max-p99-ms", str(GENEROUS_MS))
    assert result.returncode == 1
    assert "Load test failed: 1 of " in result.stderr
    assert "UNAVAILABLE" in result.stdout + result.stderr


def test_a_slow_server_fails_the_run(locust: Locust, server: ReferenceServer) -> None:
    server.every_call = Fault(delay_s=0.2)
    result = locust("--max-p99-ms", "150", "--deadline-s", "30")
    assert result.returncode == 1
    assert "above the limit of 150 ms" in result.stderr


def test_a_run_that_measured_nothing_fails(locust: Locust, server: ReferenceServer) -> None:
    server.every_call = Fault(delay_s=300)
    result = locust("--deadline-s", "300")
    assert result.returncode == 1
    assert "nothing was measured" in result.stderr


def test_a_file_without_ids_stops_it_before_it_starts(locust: Locust, server: ReferenceServer, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.touch()
    result = locust("--item-ids", str(empty))
    assert result.returncode == 2
    assert "one a line" in result.stderr
    assert not server.seen
