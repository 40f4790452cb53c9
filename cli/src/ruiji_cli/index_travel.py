"""`ruiji index push` and `ruiji index pull`: generations to and from other machines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import OUT, byte_bar
from ruiji_cli.options import DEFAULT_DATA, DataFolder, EncoderId, GenerationsFolder, generations_folder

if TYPE_CHECKING:
    from ruiji_server.generations.travel import Transfer

_LOG = logging.getLogger(__name__)

RemoteUrl = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        envvar="RUIJI_GENERATIONS_URL",
        help="Folder behind any URL that fsspec knows: s3://bucket/generations, gs://..., file:///mnt/share/generations.",
    ),
]


def push(
    url: RemoteUrl,
    generation_id: Annotated[
        str | None, typer.Option("--generation", help="Which one.  [default: the published one]")
    ] = None,
    data: DataFolder = DEFAULT_DATA,
    generations: GenerationsFolder = None,
    encoder_id: EncoderId = None,
    keep: Annotated[
        int, typer.Option(min=1, help="How many generations of the encoder stay there, the published one included.")
    ] = 3,
    again: Annotated[bool, typer.Option("--again", help="Send files too that are there in the right size.")] = False,
) -> None:
    """Copy a generation to object storage or a shared folder, and publish it there: files first, the pointer last.

    If it breaks off, the same command goes on with the files that are missing. S3 takes its credentials and its
    endpoint as always: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL.
    """
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.remote import RemoteFolder
    from ruiji_server.generations.travel import push_generation

    directory = GenerationDirectory(generations_folder(data, generations))
    chosen = generation_id or directory.require(encoder_id)
    done = push_generation(directory, chosen, RemoteFolder(url), ByteBars(), keep=keep, again=again)
    OUT.print(f"published {done.generation_id} at {url}: {_moved(done)} sent")


def pull(
    url: RemoteUrl,
    data: DataFolder = DEFAULT_DATA,
    generations: GenerationsFolder = None,
    encoder_id: EncoderId = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on for ever, and fetch what is published later.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between looks with --follow.")] = 10.0,
    keep: Annotated[
        int, typer.Option(min=1, help="How many generations of each encoder stay here, the published one included.")
    ] = 3,
) -> None:
    """Fetch what is published at a URL, check every byte, and publish it here; running servers pick it up.

    If it breaks off, the same command goes on where it stopped. What does not match its checksums is never used.

    A generation belongs to the store that it was built from: servers here have to use that store (--store).
    """
    from ruiji_server.generations.collection import KeepSettings, collect
    from ruiji_server.generations.directory import GenerationDirectory
    from ruiji_server.generations.errors import GenerationError
    from ruiji_server.generations.remote import RemoteFolder
    from ruiji_server.generations.travel import pull_generation

    directory = GenerationDirectory(generations_folder(data, generations))
    remote = RemoteFolder(url)
    while True:
        try:
            done = pull_generation(remote, directory, encoder_id, ByteBars())
        except GenerationError as error:
            if not follow:
                raise
            _LOG.warning("%s", error)
        else:
            if done.changed or not follow:
                state = "published" if done.changed else "is published already:"
                OUT.print(f"{state} {done.generation_id}: {_moved(done)} fetched")
            if done.changed:
                collect(directory, KeepSettings(keep))
        if not follow:
            return
        time.sleep(every)


def _moved(done: Transfer) -> str:
    return f"{done.moved_bytes / 1e6:.1f} of {done.total_bytes / 1e6:.1f} MB"


class ByteBars:
    """A bar for each stage of a transfer, in bytes; see `generations.progress.BuildProgress`."""

    @contextmanager
    def stage(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """Draw one stage."""
        with byte_bar(name, total) as advance:
            yield advance
