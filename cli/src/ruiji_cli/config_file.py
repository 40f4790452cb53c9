"""`--config FILE`: defaults for options from TOML, below the environment and the command line.

    [serve]
    address = "0.0.0.0:50051"

    [index.build]
    recall-target = 0.97

Tables are commands and keys are their options without dashes in front; an unknown one stops the start.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ruiji_cli.failures import UsageProblem


class Parameter(Protocol):
    """An option or argument, as Typer's copy of click describes it."""

    name: str | None
    opts: list[str]


class Command(Protocol):
    """A command; a group of commands has an attribute `commands` besides."""

    @property
    def params(self) -> Sequence[Any]:
        """Its `Parameter`s."""


def defaults_from(path: Path, command: Command) -> dict[str, Any]:
    """Return click's default map for a configuration file.

    Args:
        path: the TOML file.
        command: the root command, which knows every option.

    Raises:
        UsageProblem: the file cannot be read, or names a command or option that does not exist.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageProblem(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{path} is no TOML: {error}") from error
    return _table(raw, command, path, ())


def _table(raw: dict[str, Any], command: Command, path: Path, at: tuple[str, ...]) -> dict[str, Any]:
    options = _options(command.params)
    commands: Mapping[str, Command] = getattr(command, "commands", {})
    known: dict[str, Any] = {}
    for key, value in raw.items():
        where = ".".join((*at, key))
        if isinstance(value, dict):
            if key not in commands:
                raise UsageProblem(f"{path}: [{where}] is no command; there are {', '.join(sorted(commands))}")
            known[key] = _table(value, commands[key], path, (*at, key))
        elif key in options:
            known[options[key]] = value
        else:
            raise UsageProblem(f"{path}: {where} is no option; there are {', '.join(sorted(options)) or 'none here'}")
    return known


def _options(parameters: Sequence[Parameter]) -> dict[str, str]:
    return {
        flag.removeprefix("--"): parameter.name
        for parameter in parameters
        for flag in parameter.opts
        if flag.startswith("--") and parameter.name is not None
    }
