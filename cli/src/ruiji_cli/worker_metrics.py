"""One HTTP endpoint over all workers: their metrics added up, and whether they answer.

Each worker keeps its numbers in files that prometheus_client maps into memory; here they are read.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client.core import Metric

    from ruiji_cli.workers import Workers

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def metrics_folder() -> Iterator[Callable[[int], None]]:
    """Have workers that are started meanwhile leave their numbers; yield what is told of each that ended."""
    with tempfile.TemporaryDirectory(prefix="ruiji-metrics-") as folder:
        os.environ[FOLDER_VARIABLE] = folder
        try:
            # Counters of the dead go on counting; their gauges do not.
            yield lambda pid: mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
        finally:
            del os.environ[FOLDER_VARIABLE]


@contextmanager
def metrics_endpoint(port: int, workers: Workers, count: int) -> Iterator[None]:
    """Serve `/metrics` and `/health` on the loopback; `/health` is 200 while any worker answers, else 503."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, os.environ[FOLDER_VARIABLE])  # type: ignore[no-untyped-call]
    registry.register(_WorkerCollector(workers))
    metrics = make_wsgi_app(registry)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/health":
            content: Iterable[bytes] = metrics(environ, start_response)
            return content
        ready = workers.ready
        status = "200 OK" if ready else "503 Service Unavailable"
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{ready} of {count} workers answer\n".encode()]

    with make_server("127.0.0.1", port, app, server_class=ThreadingWSGIServer, handler_class=_Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no scrapes."""


class _WorkerCollector(Collector):
    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("ruiji_workers_ready", "Serving processes that answer.", self._workers.ready)
        yield CounterMetricFamily(
            "ruiji_worker_restarts",
            "Serving processes that ended unasked and were started again.",
            self._workers.restarts,
        )
