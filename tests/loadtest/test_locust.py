"""The Locust run fails when the server does, and only then."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from ruiji.v1 import recommendation_pb2
from ruiji.v1.recommendation_pb2 import SimilarItemsRequest
from ruiji_client import RuijiClient

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
    assert "p99 of SimilarItems is" in result.stderr
    assert "above the limit of 150 ms" in result.stderr


@pytest.mark.parametrize("scenario", ["picture", "live", "spike"])
def test_a_scenario_asks_what_it_says_and_leaves_nothing_behind(
    locust: Locust, server: ReferenceServer, item_ids: tuple[str, ...], scenario: str
) -> None:
    result = locust("--scenario", scenario, "--requests-per-user", "10", "--max-p99-ms", str(GENEROUS_MS))
    assert result.returncode == 0, result.stderr
    queries = [call.request for call in server.calls("SimilarItems")]
    kinds = {query.WhichOneof("query") for query in queries if isinstance(query, SimilarItemsRequest)}
    assert ("picture" in kinds) >= (scenario == "picture")
    assert ("item_id" in kinds) == (scenario != "picture")
    assert bool(server.calls("UpsertItems")) == (scenario == "live")
    with RuijiClient(server.target) as client:
        assert client.info().generation.items == len(item_ids)


def test_calls_that_are_under_way_at_the_end_are_waited_for(locust: Locust, server: ReferenceServer) -> None:
    # A call takes half as long as the run, so that users are in one when it ends.
    server.every_call = Fault(delay_s=RUN_TIME_S / 2)
    result = locust("--max-p99-ms", str(GENEROUS_MS), "--deadline-s", "30")
    assert result.returncode == 0, result.stderr
    counted = re.search(r"Aggregated +(\d+) ", result.stdout + result.stderr)
    assert counted is not None
    assert int(counted[1]) == len(server.calls("SimilarItems")) >= 2 * USERS


def test_several_processes_share_the_users_and_report_in_files(
    locust: Locust, server: ReferenceServer, tmp_path: Path
) -> None:
    report, prefix = tmp_path / "report.html", tmp_path / "run"
    result = locust(
        "--processes", "2", "--max-p99-ms", str(GENEROUS_MS), "--html", str(report), "--csv", str(prefix)
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert len({call.peer for call in server.calls("SimilarItems")}) >= 2
    assert "SimilarItems" in report.read_text()
    assert "SimilarItems" in (tmp_path / "run_stats.csv").read_text()


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
