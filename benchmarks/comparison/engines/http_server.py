"""An engine behind FastAPI and uvicorn, with what their documentation offers for speed: uvloop, httptools, orjson.

Endpoints are coroutines, since on one core a thread pool only adds hand-overs, and answers are bytes already, since
models would be validated and serialised again.
"""

from __future__ import annotations

import signal

import orjson
import uvicorn
from fastapi import FastAPI, HTTPException, Response

from benchmarks.comparison.engines.engine import Engine
from benchmarks.comparison.job import Catalogue, Page

_KEEP_ALIVE_S = 600
"""By default uvicorn closes connections that idle for 5 s. The load generator uses its last ones only when a server is
behind, and would count a failure for each that was closed under it."""


async def serve_http(catalogue: Catalogue, engine: Engine, breadth: int, port: int) -> None:
    """Serve on the loopback until SIGTERM."""
    app = FastAPI()
    row_of = {item_id: row for row, item_id in enumerate(catalogue.ids)}

    @app.get("/items/{item_id}/similar")
    async def similar(item_id: str) -> Response:
        row = row_of.get(item_id)
        if row is None:
            raise HTTPException(404, "no such item")
        page = catalogue.rank(row, *await engine.candidates(row, breadth))
        return Response(orjson.dumps({"items": _items(catalogue, page)}), media_type="application/json")

    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    # uvicorn raises the signal again once it has stopped. It must not end the process before the engine is closed.
    signal.signal(signal.SIGTERM, lambda *_: None)
    await uvicorn.Server(config).serve()


def _items(catalogue: Catalogue, page: Page) -> list[dict[str, object]]:
    return [
        {
            "item_id": catalogue.ids[row],
            "score": score,
            "cosine": cosine,
            "price_ratio": ratio,
            "category_similarity": near,
        }
        for row, score, cosine, ratio, near in zip(
            page.rows.tolist(),
            page.scores.tolist(),
            page.cosines.tolist(),
            page.price_ratios.tolist(),
            page.category_similarities.tolist(),
            strict=True,
        )
    ]
