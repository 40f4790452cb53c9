from __future__ import annotations

from collections.abc import Callable

import pytest
from ruiji_cli.failures import explained_failures
from ruiji_cli.main import app
from typer.testing import CliRunner, Result


@pytest.fixture
def ruiji() -> Callable[..., Result]:
    """Run the command in this process: `ruiji("index", "list")`."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def explained(capsys) -> Callable[..., str]:
    """Run a command that fails; return what it says to a person."""

    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as caught, explained_failures():
            app([str(argument) for argument in arguments], standalone_mode=False)
        assert caught.value.code == 1
        return " ".join(capsys.readouterr().err.split())

    return run
