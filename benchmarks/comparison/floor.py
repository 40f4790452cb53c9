"""Ruiji's gRPC server answering constant bytes: what remains if finding and ranking cost nothing.

    python -m benchmarks.comparison.floor --data FOLDER --generations FOLDER --item-id ID --port 8000

It is the real server with everything it loads and does beside; one method more answers the bytes of a real page.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

from ruiji_cli.scheduling import run_in_batches

METHOD = "/ruiji.comparison.Floor/Constant"


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of store.sqlite")
    parser.add_argument("--generations", type=Path, required=True)
    parser.add_argument("--item-id", required=True, help="whose page is the constant answer")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    # As `ruiji serve` does, before numpy is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.setswitchinterval(2e-4)
    run_in_batches()
    import uvloop

    uvloop.run(_serve(options.data, options.generations, options.item_id, options.port))


async def _serve(data: Path, generations: Path, item_id: str, port: int) -> None:
    import grpc
    from ruiji.v1 import recommendation_pb2 as pb
    from ruiji_server.embedding.picture_source import PictureSource
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.services.server import Server, ServerSettings
    from ruiji_server.store.engine import open_database

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = open_database(f"sqlite:///{data / 'store.sqlite'}")
    settings = ServerSettings(f"127.0.0.1:{port}", drain_s=0.0, grace_s=0.0)
    server = Server(settings, database, GenerationDirectory(generations), PictureSource(None), None)
    content = b""

    async def constant(_request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        if not content:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the page is not known yet")
        return content

    handler = {METHOD.rsplit("/", 1)[1]: grpc.unary_unary_rpc_method_handler(constant)}
    service = METHOD.split("/")[1]
    # The method must stand on the very server that is being measured.
    server._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handler),))
    async with server:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            ask = channel.unary_unary(
                "/ruiji.v1.RecommendationService/SimilarItems",
                request_serializer=pb.SimilarItemsRequest.SerializeToString,
                response_deserializer=pb.SimilarItemsResponse.FromString,
            )
            page = await ask(pb.SimilarItemsRequest(item_id=item_id), wait_for_ready=True)
        content = page.SerializeToString()
        gc.collect()
        gc.freeze()
        await stop.wait()
    database.close()


if __name__ == "__main__":
    main()
