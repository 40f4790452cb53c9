"""What is logged, and by whom."""

from __future__ import annotations

import logging


def start_logging(handler: logging.Handler, *, verbose: bool) -> None:
    """Send log records to a handler.

    Args:
        handler: where they go.
        verbose: whether to log what happens inside.
    """
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(message)s", handlers=[handler])
    for chatty in ("alembic", "asyncio", "PIL", "grpc", "matplotlib", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if not verbose:
        # Among its loggers is one for every line that tritonserver prints.
        logging.getLogger("ruiji_triton").setLevel(logging.WARNING)


def plain_handler() -> logging.Handler:
    """Return a handler that writes to standard error as the console does, but without Rich."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)-8s %(message)s", "%H:%M:%S"))
    return handler
