"""The index alone: usearch's int8 HNSW, as Ruiji uses it, beside Intel SVS (Vamana graph, full precision and LVQ).

    .venv/comparison/bin/python -m benchmarks.index_engines --vectors VECTORS.npy

The vectors are those that `benchmarks.comparison` makes. Each engine builds with all cores and searches with one
thread. It is asked for 20 neighbours, as a plain page needs, and for 340, as the price band of the comparison's job
needs; at each breadth of a ladder recall is counted against exact search, and the cheapest breadth that reaches the
target is shown. CPU time counts, not wall time, so other work on the machine disturbs little. Engines that cannot run
on this machine are listed as such.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LADDER = (16, 24, 32, 48, 64, 96, 128, 192, 256, 340, 512, 768, 1024)
DEPTHS = (20, 340)
CONNECTIVITY, EXPANSION_ADD = 16, 128
SEED = 0

Search = Callable[[NDArray[np.float32], int, int], NDArray[np.int64]]
"""Takes queries of shape (n, dimensions), the number of neighbours and the breadth; returns rows of shape (n, k)."""


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, required=True, help=".npy, float32, unit length")
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--target", type=float, default=0.95, help="recall to reach (default: 0.95)")
    parser.add_argument("--engines", default=",".join(ENGINES), help=f"of {', '.join(ENGINES)}")
    arguments = parser.parse_args()
    vectors = np.ascontiguousarray(np.load(arguments.vectors, mmap_mode="r"), dtype=np.float32)
    chosen = np.random.default_rng(SEED).choice(len(vectors), arguments.queries, replace=False)
    queries = vectors[chosen]
    exact = {k: exact_neighbours(vectors, queries, k) for k in DEPTHS}
    print(f"{len(vectors):,} vectors of {vectors.shape[1]} dimensions, recall target {arguments.target}\n")
    print(
        "| engine | build CPU s | memory MB | "
        + " | ".join(f"CPU us for {k} | breadth | recall" for k in DEPTHS)
        + " |"
    )
    print("|---" * (3 + 3 * len(DEPTHS)) + "|")
    for name in arguments.engines.split(","):
        # In a process of its own: an engine that the processor does not suit may end it.
        engine = multiprocessing.get_context("fork").Process(
            target=measure, args=(name, vectors, queries, exact, arguments.target)
        )
        engine.start()
        engine.join()
        if engine.exitcode:
            print(f"| {name} | not run: its process ended with {engine.exitcode} |", flush=True)


def measure(
    name: str,
    vectors: NDArray[np.float32],
    queries: NDArray[np.float32],
    exact: dict[int, NDArray[np.int64]],
    target: float,
) -> None:
    """Build one engine, search, and print its row."""
    before_kb, began_s = resident_kb(), cpu_s()
    search = ENGINES[name](vectors)
    cells = [f"{cpu_s() - began_s:.1f}", f"{(resident_kb() - before_kb) / 1e3:.0f}"]
    for k in DEPTHS:
        cells += cheapest(search, queries, exact[k], k, target)
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def cheapest(
    search: Search, queries: NDArray[np.float32], exact: NDArray[np.int64], k: int, target: float
) -> list[str]:
    """Return CPU microseconds of a query, breadth and recall, at the first breadth that reaches the target."""
    recall = 0.0
    for breadth in LADDER:
        if breadth < k:
            continue
        recall = recall_of(search(queries, k, breadth), exact)
        if recall >= target:
            spent_us = []
            for _ in range(5):
                began_s = time.thread_time()
                for query in queries:
                    search(query[None], k, breadth)
                spent_us.append((time.thread_time() - began_s) / len(queries) * 1e6)
            return [f"{np.median(spent_us):.0f}", str(breadth), f"{recall:.4f}"]
    return ["never", "", f"{recall:.4f}"]


def exact_neighbours(vectors: NDArray[np.float32], queries: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the nearest rows by cosine, shape (n, k), the query itself included, in no order."""
    found = [np.argpartition(-(vectors @ query), k)[:k] for query in queries]
    return np.array(found, dtype=np.int64)


def recall_of(found: NDArray[np.int64], exact: NDArray[np.int64]) -> float:
    """Return the share of the exact neighbours that were found."""
    hits = [len(np.intersect1d(a, b)) for a, b in zip(found, exact, strict=True)]
    return float(np.mean(hits)) / exact.shape[1]


def usearch_int8(vectors: NDArray[np.float32]) -> Search:
    """Build the index that Ruiji serves from."""
    from usearch.index import Index

    peak = np.abs(vectors).max()
    scaled = np.clip(np.rint(vectors * (127 / peak)), -127, 127).astype(np.int8)
    index = Index(
        ndim=vectors.shape[1], metric="ip", dtype="i8", connectivity=CONNECTIVITY, expansion_add=EXPANSION_ADD
    )
    index.add(np.arange(len(vectors)), scaled)

    def search(queries: NDArray[np.float32], k: int, breadth: int) -> NDArray[np.int64]:
        index.expansion_search = breadth  # type: ignore[misc]  # as in ruiji_server, mypy does not see the setter
        asked = np.clip(np.rint(queries * (127 / peak)), -127, 127).astype(np.int8)
        return np.atleast_2d(index.search(asked if len(asked) > 1 else asked[0], k, threads=1).keys).astype(np.int64)

    return search


def svs(kind: str) -> Callable[[NDArray[np.float32]], Search]:
    """Return what builds an SVS index; `kind` is float32, float16 or the name of an LVQ encoding."""

    def build(vectors: NDArray[np.float32]) -> Search:
        import svs

        parameters = svs.VamanaBuildParameters(graph_max_degree=2 * CONNECTIVITY, window_size=EXPANSION_ADD, alpha=0.95)
        with tempfile.TemporaryDirectory() as folder:
            if kind.startswith("float"):
                # Touched, so that memory that the index shares with the array is counted.
                loader: object = vectors.astype(kind, copy=True)
            else:
                path = Path(folder) / "vectors.fvecs"
                svs.write_vecs(vectors, str(path))
                primary, residual = {"LVQ8": (8, 0), "LVQ4x8": (4, 8)}[kind]
                data = svs.VectorDataLoader(str(path), svs.DataType.float32, dims=vectors.shape[1])
                loader = svs.LVQLoader(data, primary=primary, residual=residual)
            index = svs.Vamana.build(parameters, loader, svs.DistanceType.MIP, num_threads=2)
        index.num_threads = 1
        asked = "float16" if kind == "float16" else "float32"

        def search(queries: NDArray[np.float32], k: int, breadth: int) -> NDArray[np.int64]:
            if index.search_window_size != breadth:
                index.search_window_size = breadth
            return index.search(queries.astype(asked), k)[0].astype(np.int64)

        return search

    return build


ENGINES: dict[str, Callable[[NDArray[np.float32]], Search]] = {
    "usearch int8": usearch_int8,
    "SVS float32": svs("float32"),
    "SVS float16": svs("float16"),
    "SVS LVQ8": svs("LVQ8"),
    "SVS LVQ4x8": svs("LVQ4x8"),
}


def cpu_s() -> float:
    """Return the CPU time of this process, all threads."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def resident_kb() -> int:
    """Return the resident memory of this process now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()
