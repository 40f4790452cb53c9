"""Where the microseconds of a `SimilarItems` by item id go, on the server.

    python benchmarks/profile_request.py --data demo-output/data

A real server runs in a process of its own and is asked over TCP. Beside the service it has methods that stop early:
one answers constant bytes, the next also decodes and encodes messages, the third also goes through the wrapper of every
RPC. What each costs is the CPU time of the server process over the answers, which a busy machine disturbs less
than latencies; the methods take turns, round by round, and the median of the rounds counts. What the whole call costs
above the third method is divided among its parts by running each in a loop in the server's process.

`--cprofile FILE` also writes a profile of the whole call under load (for `python -m pstats` or snakeviz).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import json
import multiprocessing
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ruiji_server.services.server import Server
    from ruiji_server.store.engine import Database

CONSTANT, CODEC, WRAPPED = (f"/ruiji.profile.Stages/{name}" for name in ("Constant", "Codec", "Wrapped"))
WHOLE = "/ruiji.v1.RecommendationService/SimilarItems"
METHODS = {
    "gRPC with constant bytes": CONSTANT,
    "and messages": CODEC,
    "and the RPC wrapper": WRAPPED,
    "whole call": WHOLE,
}
PARTS = ("from request to answer in the kernel", "page and answer the long way, by messages")
ALL_PARTS = "the service's method as a whole"


def serve(data: Path, parent: Connection, profile: Path | None) -> None:
    """Serve until told to stop, on a port that the parent is told."""
    import uvloop
    from ruiji_cli.scheduling import run_in_batches

    sys.setswitchinterval(2e-4)
    run_in_batches()
    if profile is None:
        uvloop.run(_serve(data, parent))
        return
    with cProfile.Profile() as recorded:
        uvloop.run(_serve(data, parent))
    recorded.dump_stats(profile)


async def _serve(data: Path, parent: Connection) -> None:
    import grpc
    from ruiji.v1 import recommendation_pb2 as pb
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.services import failures
    from ruiji_server.services.server import Server, ServerSettings
    from ruiji_server.store.engine import open_database

    database = open_database(f"sqlite:///{data / 'store.sqlite'}")
    settings = ServerSettings("127.0.0.1:0", drain_s=0.0, grace_s=0.0)
    server = Server(settings, database, GenerationDirectory(data / "generations"), PictureSource(None), None)
    answer = pb.SimilarItemsResponse()
    content = b""

    class Stages:
        async def constant(self, _request: bytes, _context: object) -> bytes:
            return content

        async def codec(self, _request: pb.SimilarItemsRequest, _context: object) -> pb.SimilarItemsResponse:
            return answer

        @failures.rpc
        async def wrapped(self, _request: pb.SimilarItemsRequest, _context: object) -> pb.SimilarItemsResponse:
            return answer

    stages = Stages()
    codec = partial(
        grpc.unary_unary_rpc_method_handler,
        request_deserializer=pb.SimilarItemsRequest.FromString,
        response_serializer=pb.SimilarItemsResponse.SerializeToString,
    )
    handlers = {
        "Constant": grpc.unary_unary_rpc_method_handler(stages.constant),
        "Codec": codec(stages.codec),
        "Wrapped": codec(stages.wrapped),
    }
    # The stages must stand on the very server that is being looked into.
    server._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("ruiji.profile.Stages", handlers),))
    async with server:
        columns = server._serving.current().generation.columns
        rng = np.random.default_rng(0)
        ids = [columns.item_id(int(row)) for row in rng.integers(0, len(columns), 2_000)]
        parent.send((server.port, ids))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            whole = channel.unary_unary(WHOLE, request_serializer=bytes, response_deserializer=bytes)
            content = await whole(pb.SimilarItemsRequest(item_id=ids[0]).SerializeToString())
        answer = pb.SimilarItemsResponse.FromString(content)
        loop = asyncio.get_running_loop()
        while (wish := await loop.run_in_executor(None, parent.recv)) != "stop":
            parent.send(_parts(server, database, ids) if wish == "parts" else time.process_time())
    database.close()


def _parts(server: Server, database: Database, ids: list[str]) -> dict[str, float]:
    """Return microseconds of CPU time a call for each part of the service's own work."""
    from ruiji.v1 import recommendation_pb2 as pb
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.ranking.policy import RankingPolicy
    from ruiji_server.ranking.query import Query
    from ruiji_server.services.recommendation_service import RecommendationService
    from ruiji_server.services.variants import RunningExperiments
    from ruiji_server.services.wire import add_items
    from ruiji_server.services.written_answers import WrittenAnswers

    serving = server._serving.current()
    live, manifest = serving.live, serving.generation.manifest
    policy, experiments = RankingPolicy(), RunningExperiments(database, server._serving)
    answers = WrittenAnswers(server._serving, policy, experiments)

    def written(request: bytes) -> None:
        if answers.answer(request) is None:
            sys.exit("the neighbour table does not suffice for these items, so the profile would be of something else")

    def the_long_way(item_id: str) -> bytes:
        row = live.row_of(item_id)
        assert row is not None, f"{item_id} is of this generation"
        query = Query(live.embedding(row), 20, policy, live.price(row), live.category_path(row), row=row)
        answer = pb.SimilarItemsResponse(generation_id=manifest.generation_id, encoder_id=manifest.encoder_id)
        add_items(answer, serving.recommender.recommend(query), live)
        return answer.SerializeToString()

    requests = [pb.SimilarItemsRequest(item_id=item_id).SerializeToString() for item_id in ids]
    work: list[tuple[Callable[..., object], list[Any]]] = [
        (written, requests),
        (the_long_way, ids),
    ]
    # Driven without an event loop and a context, which no caller of the service may do.
    service: Any = RecommendationService(server._serving, database, None, policy, PictureSource(None), experiments)

    def whole(request: bytes) -> None:
        # By item id it waits for nothing, so the event loop is not needed.
        with contextlib.suppress(StopIteration):
            service.SimilarItems(request, None).send(None)

    costs = {name: _cpu_us(call, inputs) for name, (call, inputs) in zip(PARTS, work, strict=True)}
    return costs | {ALL_PARTS: _cpu_us(whole, requests)}


def _cpu_us(call: Callable[..., object], inputs: list[Any]) -> float:
    rounds = []
    for _ in range(5):
        started = time.process_time()
        for value in inputs:
            call(value)
        rounds.append(1e6 * (time.process_time() - started) / len(inputs))
    return statistics.median(rounds)


async def ask(port: int, method: str, requests: list[bytes], seconds: float) -> int:
    """Keep 16 calls under way on four connections; return how many were answered."""
    import grpc

    answered = 0
    end_s = time.perf_counter() + seconds
    # gRPC gives channels with equal arguments one connection.
    channels = [grpc.aio.insecure_channel(f"127.0.0.1:{port}", [("profile.number", number)]) for number in range(4)]

    async def keep_asking(number: int) -> None:
        nonlocal answered
        call = channels[number % len(channels)].unary_unary(
            method, request_serializer=bytes, response_deserializer=bytes
        )
        while time.perf_counter() < end_s:
            await call(requests[answered % len(requests)], timeout=10.0)
            answered += 1

    await asyncio.gather(*(keep_asking(number) for number in range(16)))
    for channel in channels:
        await channel.close(None)
    return answered


async def measure(port: int, server: Connection, ids: list[str], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Return microseconds of the server's CPU time a call, for each method and round."""
    from ruiji.v1 import recommendation_pb2 as pb

    requests = [pb.SimilarItemsRequest(item_id=item_id).SerializeToString() for item_id in ids]

    def used_s() -> float:
        server.send("cpu")
        return float(server.recv())

    costs: dict[str, list[float]] = {name: [] for name in METHODS}
    for number in range(rounds + 1):
        for name, method in METHODS.items():
            before_s = used_s()
            answered = await ask(port, method, requests, seconds)
            if number:  # the first round warms up
                costs[name].append(1e6 * (used_s() - before_s) / answered)
    return costs


def table(costs: dict[str, list[float]], parts: dict[str, float]) -> str:
    """Return the result as a Markdown table."""
    medians = {name: statistics.median(values) for name, values in costs.items()}
    lines = ["| stage | CPU us a call | lowest to highest round |", "|---|---:|---:|"]
    before = 0.0
    for name, median in medians.items():
        spread = f"{min(costs[name]):.0f} to {max(costs[name]):.0f}"
        lines.append(f"| **{name}** | **{median:.0f}** (+{median - before:.0f}) | {spread} |")
        before = median
    lines += [f"| {name} (in a loop) | {cost:.1f} | |" for name, cost in parts.items()]
    share = medians["gRPC with constant bytes"] / medians["whole call"]
    return "\n".join([*lines, "", f"The whole call reaches {share:.0%} of the rate of constant bytes."])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data folder with a store and a generation")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each method in each round")
    parser.add_argument("--cprofile", type=Path, help="write a profile of the whole call here")
    parser.add_argument("--json", action="store_true", help="print numbers instead of a table")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    # As `ruiji serve` does, and before the server's process imports numpy: the CPU time of a second thread that waits
    # for work would count as the call's.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(options.data, theirs, options.cprofile))
    process.start()
    theirs.close()
    port, ids = ours.recv()
    costs = asyncio.run(measure(port, ours, ids, options.rounds, options.seconds))
    ours.send("parts")
    parts = ours.recv()
    ours.send("stop")
    process.join()
    if options.json:
        print(json.dumps({"cpu_us": costs, "parts_us": parts}))
        return
    print(f"Python {platform.python_version()}, grpcio {version('grpcio')}, protobuf {version('protobuf')}\n")
    print(table(costs, parts))


if __name__ == "__main__":
    main()
