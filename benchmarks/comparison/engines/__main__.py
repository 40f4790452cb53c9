"""Build, tune or serve one of the other systems; the harness runs this in their environment.

python -m benchmarks.comparison.engines build faiss_hnsw --work FOLDER
python -m benchmarks.comparison.engines tune faiss_hnsw --work FOLDER
python -m benchmarks.comparison.engines serve faiss_hnsw --work FOLDER --transport http --port 8000
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from pathlib import Path

import numpy as np
import uvloop

from benchmarks.comparison.engines.engine import LADDER, engine_module
from benchmarks.comparison.job import RECALL_TARGET, Catalogue


def main() -> None:
    """Do what was asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("build", "tune", "serve"))
    parser.add_argument("engine")
    parser.add_argument("--work", type=Path, required=True, help="folder with a catalogue and its queries")
    parser.add_argument("--transport", choices=("http", "grpc"), default="http")
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    catalogue = Catalogue.open(options.work)
    folder = options.work / options.engine
    index, built, tuned = folder / "index", folder / "built.json", folder / "tuned.json"
    if options.action == "build":
        index.mkdir(parents=True)
        started_s = time.monotonic()
        engine_module(options.engine).build(catalogue, index)
        built.write_text(json.dumps({"build_s": time.monotonic() - started_s}))
    elif options.action == "tune":
        tuned.write_text(json.dumps(uvloop.run(_tune(options.engine, catalogue, index, options.work))))
    else:
        breadth = json.loads(tuned.read_text())["breadth"]
        uvloop.run(_serve(options.engine, catalogue, index, breadth, options.transport, options.port))


async def _tune(name: str, catalogue: Catalogue, index: Path, work: Path) -> dict[str, object]:
    """Return the least breadth whose pages reach the target, or None if none does; and the recall of all tried."""
    with np.load(work / "tuning.npz") as arrays:
        rows, pages = arrays["rows"].tolist(), arrays["pages"]
    engine = await engine_module(name).open_engine(catalogue, index)
    recalls: dict[int, float] = {}
    try:
        for breadth in LADDER:
            shares = []
            for row, wanted in zip(rows, pages, strict=True):
                page = catalogue.rank(row, *await engine.candidates(row, breadth)).rows
                shares.append(np.isin(wanted[wanted >= 0], page).mean())
            recalls[breadth] = float(np.mean(shares))
            print(f"breadth {breadth}: recall {recalls[breadth]:.3f}", flush=True)
            if recalls[breadth] >= RECALL_TARGET:
                return {"breadth": breadth, "recalls": recalls}
    finally:
        await engine.close()
    return {"breadth": None, "recalls": recalls}


async def _serve(name: str, catalogue: Catalogue, index: Path, breadth: int, transport: str, port: int) -> None:
    engine = await engine_module(name).open_engine(catalogue, index)
    # What is loaded by now lives as long as the process, as in Ruiji's server.
    gc.collect()
    gc.freeze()
    try:
        if transport == "http":
            from benchmarks.comparison.engines.http_server import serve_http

            await serve_http(catalogue, engine, breadth, port)
        else:
            from benchmarks.comparison.engines.grpc_server import serve_grpc

            await serve_grpc(catalogue, engine, breadth, port)
    finally:
        await engine.close()


if __name__ == "__main__":
    main()
