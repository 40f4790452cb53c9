"""Failures that a person can do something about: shown as one line, with exit code 1 instead of a traceback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class UsageProblem(Exception):  # noqa: N818  (reads as what it says)
    """Options that do not fit together, or something that is not there; the message says what to do."""


@contextmanager
def explained_failures() -> Iterator[None]:
    """End the command with a message for every failure that the product foresees; let mistakes of ours through."""
    # Each room has its own tree; a room that is not installed has raised nothing.
    try:
        yield
    except ModuleNotFoundError as error:
        remedy = _EXTRA_OF.get((error.name or "").partition(".")[0])
        if remedy is None:
            raise
        _show(f"{error.name} is not installed: {remedy}")
        sys.exit(1)
    except Exception as error:
        if not _is_foreseen(error):
            raise
        _show(str(error))
        sys.exit(1)


def _show(message: str) -> None:
    # Serving processes have nothing to show unless they fail.
    from rich.markup import escape

    from ruiji_cli.console import ERR

    ERR.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True)


def _is_foreseen(error: Exception) -> bool:
    names = {f"{kind.__module__.split('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    return not names.isdisjoint(_FORESEEN) or isinstance(error, UsageProblem)


_FORESEEN = {
    "ruiji_client.RuijiClientError",
    "ruiji_encoder.RuijiEncoderError",
    "ruiji_encoding.EncoderError",
    "ruiji_evaluation.RuijiEvaluationError",
    "ruiji_events.RuijiEventsError",
    "ruiji_experiments.RuijiExperimentsError",
    "ruiji_server.CatalogueImportError",
    "ruiji_server.GenerationError",
    "ruiji_server.RuijiError",
    "ruiji_server.StoreError",
    "ruiji_server.UnknownEncoder",
    "ruiji_triton.RuijiTritonError",
}
"""By name, so that asking does not import torch or Triton."""

_EXTRA_OF = {
    "duckdb": "pip install 'ruiji[experiments]'",
    "grpc": "pip install 'ruiji[server]'",
    "ir_measures": "pip install 'ruiji[evaluation]'",
    "jinja2": "pip install 'ruiji[demo]'",
    "matplotlib": "pip install 'ruiji[evaluation]' or 'ruiji[encoder]'",
    "onnxruntime": "pip install 'ruiji[triton]'",
    "pyarrow": "pip install 'ruiji[server]'",
    "python_multipart": "pip install 'ruiji[console]'",
    "sqlalchemy": "pip install 'ruiji[server]'",
    "starlette": "pip install 'ruiji[console]'",
    "tensorboard": "pip install 'ruiji[encoder]'",
    "torch": "pip install torch==2.13.0, then pip install 'ruiji[encoder]'",
    "transformers": "pip install 'ruiji[encoder]'",
    "tritonclient": "pip install 'ruiji[server]'",
    "uvicorn": "pip install 'ruiji[console]'",
}
"""Module to what brings it."""
