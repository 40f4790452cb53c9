"""The commands and the code of docs/loadtest.md work."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.reference_server import ReferenceServer

PAGE = (Path(__file__).parents[2] / "docs" / "loadtest.md").read_text()
COMMANDS = re.findall(r"^```sh\n(.*?)\n```", PAGE, re.DOTALL | re.MULTILINE)
[CODE] = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
TARGET = "localhost:50051"
SHORTER = {"10": "0.5", "5": "0.2", "30s": "3s"}
"""Durations of the page to those of this test."""


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_as_it_stands(command: str, server: ReferenceServer, item_ids_file: Path) -> None:
    python, *arguments = shlex.split(command.replace(TARGET, server.target).replace("ids.txt", str(item_ids_file)))
    assert python == "python"
    for option in ("--duration", "--run-time"):
        if option in arguments:
            value = arguments.index(option) + 1
            arguments[value] = SHORTER[arguments[value]]
    if "ruiji_loadtest.open_loop" in arguments:
        arguments += ["--warmup", "0"]
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, check=False)
    # 1 is its verdict on a busy machine; 2 would be a mistake of the page.
    assert result.returncode in (0, 1), result.stderr
    assert server.calls("SimilarItems")


def test_the_code_runs_as_it_stands(
    server: ReferenceServer, item_ids_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(item_ids_file.parent)
    exec(compile(CODE.replace(TARGET, server.target), "docs/loadtest.md", "exec"), {})  # noqa: S102
    assert "p99" in capsys.readouterr().out
