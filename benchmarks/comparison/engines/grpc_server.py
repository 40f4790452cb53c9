"""An engine behind grpc.aio on uvloop, answering with the same messages as Ruiji."""

from __future__ import annotations

import asyncio
import signal

import grpc
from ruiji.v1 import recommendation_pb2 as pb

from benchmarks.comparison.engines.engine import Engine
from benchmarks.comparison.job import Catalogue


async def serve_grpc(catalogue: Catalogue, engine: Engine, breadth: int, port: int) -> None:
    """Serve on the loopback until SIGTERM."""
    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(
        _Service(catalogue, engine, breadth).similar_items,
        request_deserializer=pb.SimilarItemsRequest.FromString,
        response_serializer=pb.SimilarItemsResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("ruiji.v1.RecommendationService", {"SimilarItems": method}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.start()
    await stop.wait()
    await server.stop(grace=0)


class _Service:
    def __init__(self, catalogue: Catalogue, engine: Engine, breadth: int) -> None:
        self._catalogue = catalogue
        self._engine = engine
        self._breadth = breadth
        self._row_of = {item_id: row for row, item_id in enumerate(catalogue.ids)}

    async def similar_items(
        self,
        request: pb.SimilarItemsRequest,
        context: grpc.aio.ServicerContext[pb.SimilarItemsRequest, pb.SimilarItemsResponse],
    ) -> pb.SimilarItemsResponse:
        row = self._row_of.get(request.item_id)
        if row is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such item")
        page = self._catalogue.rank(row, *await self._engine.candidates(row, self._breadth))
        ids = self._catalogue.ids
        return pb.SimilarItemsResponse(
            items=[
                pb.SimilarItem(
                    item_id=ids[row], score=score, cosine=cosine, price_ratio=ratio, category_similarity=similarity
                )
                for row, score, cosine, ratio, similarity in zip(
                    page.rows.tolist(),
                    page.scores.tolist(),
                    page.cosines.tolist(),
                    page.price_ratios.tolist(),
                    page.category_similarities.tolist(),
                    strict=True,
                )
            ]
        )
