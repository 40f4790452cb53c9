"""Who changes experiments and publishes their reports, for whoever reads the history."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from ruiji_cli.failures import UsageProblem

Author = Annotated[
    str | None, typer.Option("--author", envvar="RUIJI_AUTHOR", help="Who does it.  [default: the user's name]")
]


def author_name(given: str | None) -> str:
    """Return who does it: whoever was named, or the user.

    Raises:
        UsageProblem: nobody was named, and the system does not know the user.
    """
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise UsageProblem("who are you? give --author, or set RUIJI_AUTHOR") from error
