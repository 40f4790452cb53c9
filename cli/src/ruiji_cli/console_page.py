"""`ruiji console`: the web page on a running server."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.console import OUT
from ruiji_cli.failures import UsageProblem
from ruiji_cli.options import DEFAULT_TARGET, Target

if TYPE_CHECKING:
    from ruiji_console import ConsoleSettings

DEFAULT_ADDRESS = "127.0.0.1:8484"


def console(
    target: Target = DEFAULT_TARGET,
    address: Annotated[
        str, typer.Option(envvar="RUIJI_CONSOLE_ADDRESS", help="host:port to listen on; port 0 takes a free one.")
    ] = DEFAULT_ADDRESS,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name under which browsers may reach the page, besides the loopback's; give it again for others. "
            "Needed when a proxy or another machine is in between."
        ),
    ] = None,
    picture_origin: Annotated[
        list[str] | None,
        typer.Option(
            help="Origin, such as https://img.example.com, from which browsers may load pictures that lie outside the "
            "catalogue; give it again for others.  [default: none; such pictures are not shown]"
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, envvar="RUIJI_TOKEN_FILE", help="File with the token that the server wants."
        ),
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Talk to the server over TLS.")] = False,
    tls_roots: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="PEM of the certificates to trust; implies --tls.  [default: well-known ones]",
        ),
    ] = None,
) -> None:
    """Show in a browser what a server recommends, and why; until Ctrl-C.

    Find an item or bring a picture; move the price band and the category weight and watch; compare two ways to answer;
    walk through the categories; see how index and workers are doing. The page reads and never writes. It asks for no
    password: keep it on the loopback, or behind a proxy that knows who may look.
    """
    from ruiji_console import serving_console

    settings = console_settings(target, allowed_host or (), picture_origin or (), token_file, tls, tls_roots)
    host, port = host_and_port(address)

    async def serve() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with serving_console(settings, host, port) as url:
            OUT.print(f"The console is at {url} and asks {target}. Ctrl-C stops.", soft_wrap=True)
            await stop.wait()

    try:
        asyncio.run(serve())
    except OSError as error:
        raise UsageProblem(f"cannot listen on {address}: {error.strerror or error}; --address names another") from error


def console_settings(
    target: str,
    allowed_hosts: list[str] | tuple[str, ...] = (),
    picture_origins: list[str] | tuple[str, ...] = (),
    token_file: Path | None = None,
    tls: bool = False,
    tls_roots: Path | None = None,
) -> ConsoleSettings:
    """Return the settings of a console; raises `UsageProblem` where options do not fit together."""
    from ruiji_client import ClientSettings, Tls
    from ruiji_console import ConsoleSettings
    from ruiji_console.settings import LOOPBACK_HOSTS

    from ruiji_cli.patience import PATIENT

    token = None if token_file is None else token_file.read_text(encoding="utf-8").strip()
    encrypted = Tls(None if tls_roots is None else tls_roots.read_bytes()) if tls or tls_roots is not None else None
    is_local = target.rpartition(":")[0] in LOOPBACK_HOSTS
    if token is not None and encrypted is None and not is_local:
        raise UsageProblem(f"the token could be read by anyone on the way to {target}; add --tls")
    try:
        client = ClientSettings(
            target,
            tls=encrypted,
            token=token,
            allow_token_over_plaintext=is_local,
            deadlines=PATIENT,
            user_agent="ruiji-console",
        )
        return ConsoleSettings(
            client, allowed_hosts=(*LOOPBACK_HOSTS, *allowed_hosts), picture_origins=tuple(picture_origins)
        )
    except ValueError as error:
        raise UsageProblem(str(error)) from error


def host_and_port(address: str) -> tuple[str, int]:
    """Return the parts of an address such as `127.0.0.1:8484` or `[::1]:8484`."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise UsageProblem(f"{address!r} is no host:port, such as {DEFAULT_ADDRESS}")
    return host.removeprefix("[").removesuffix("]"), int(port)
