"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ruiji_cli.failures import UsageProblem

DataFolder = Annotated[
    Path, typer.Option("--data", envvar="RUIJI_DATA", help="Folder of this installation: store, generations, models.")
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store", envvar="RUIJI_STORE", help="Item store, as an SQLAlchemy URL.  [default: DATA/store.sqlite]"
    ),
]
GenerationsFolder = Annotated[
    Path | None,
    typer.Option(
        "--generations", envvar="RUIJI_GENERATIONS", help="Folder of generations.  [default: DATA/generations]"
    ),
]
PicturesFolder = Annotated[
    Path | None,
    typer.Option(
        "--pictures", envvar="RUIJI_PICTURES", help="Folder below which `file:` pictures may be read; none by default."
    ),
]
TritonUrl = Annotated[
    str | None,
    typer.Option("--triton-url", envvar="RUIJI_TRITON_URL", help="host:port of Triton's gRPC endpoint."),
]
EncoderId = Annotated[
    str | None,
    typer.Option("--encoder-id", envvar="RUIJI_ENCODER_ID", help="Which encoder.  [default: the only one there is]"),
]
Target = Annotated[str, typer.Option("--target", envvar="RUIJI_TARGET", help="host:port of the Ruiji server.")]

DEFAULT_DATA = Path("ruiji-data")
DEFAULT_TARGET = "localhost:50051"


def store_url(data: Path, url: str | None) -> str:
    """Return the store's URL: the one given, or the installation's own SQLite file."""
    return url or f"sqlite:///{data / 'store.sqlite'}"


def generations_folder(data: Path, folder: Path | None) -> Path:
    """Return where generations are: the folder given, or the installation's own."""
    return folder or data / "generations"


def only_encoder(given: str | None, registered: list[str]) -> str:
    """Return the encoder id to work with.

    Raises:
        UsageProblem: none was given, and there is none or more than one.
    """
    if given is not None:
        return given
    if len(registered) == 1:
        return registered[0]
    if not registered:
        raise UsageProblem(
            "no encoder is registered with the store yet; `ruiji worker run --encoder-id ID` registers one that Triton "
            "serves (`ruiji triton` prints its id)"
        )
    raise UsageProblem(f"the store knows several encoders; choose one with --encoder-id: {', '.join(registered)}")
