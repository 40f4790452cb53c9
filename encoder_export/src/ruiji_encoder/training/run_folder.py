"""The files of a run: what it is, where it stands, what it did, and its checkpoints.

run.json       settings, data and hardware
state.pt       everything later steps depend on; replaced as a whole
log.jsonl      a line per step and per epoch
tensorboard/   the same for TensorBoard
curve.png      the same as a picture
last/, best/   model and tokenizer after the last epoch, and after the best on the validation side
"""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ruiji_encoder.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FORMAT = 1
"""Of state.pt."""

_STATE, _LOG, _RUN = "state.pt", "log.jsonl", "run.json"


class RunFolder:
    """A run's folder.

    Attributes:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def last(self) -> Path:
        """Checkpoint of the last epoch."""
        return self.path / "last"

    @property
    def best(self) -> Path:
        """Checkpoint of the best epoch."""
        return self.path / "best"

    @property
    def tensorboard(self) -> Path:
        """What `tensorboard --logdir` reads."""
        return self.path / "tensorboard"

    @property
    def curve(self) -> Path:
        """The curve of the run as a picture."""
        return self.path / "curve.png"

    def holds_a_run(self) -> bool:
        """Tell whether a run began here."""
        return (self.path / _RUN).exists()

    def describe(self, facts: Mapping[str, Any]) -> None:
        """Write `run.json`."""
        self.path.mkdir(parents=True, exist_ok=True)
        _replace(self.path / _RUN, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replace `state.pt`; a crash leaves the old one or the new one."""
        path = self.path / _STATE
        aside = path.with_suffix(".partial")
        with aside.open("wb") as file:
            torch.save({"format": STATE_FORMAT, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)

    def load_state(self) -> dict[str, Any] | None:
        """Read `state.pt`, or return None where nothing was saved yet.

        Raises:
            TrainingError: it is damaged or of another format.
        """
        path = self.path / _STATE
        try:
            state: Any = torch.load(path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
            cause = str(error).partition("\n")[0]
            raise TrainingError(f"{path} is damaged ({cause}): delete {self.path} and train again") from error
        if not isinstance(state, dict) or state.get("format") != STATE_FORMAT:
            raise TrainingError(f"{path} was written by another release: finish the run with that one, or start anew")
        return dict(state)

    def log(self, record: Mapping[str, Any]) -> None:
        """Append a line to `log.jsonl`."""
        with (self.path / _LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")

    def read_log(self) -> list[dict[str, Any]]:
        """Return all lines of `log.jsonl`; one that a crash cut short is left out."""
        path = self.path / _LOG
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def cut_log(self, step: int) -> None:
        """Forget what was logged after a step, since it will be done again."""
        kept = [record for record in self.read_log() if record["step"] <= step]
        _replace(self.path / _LOG, "".join(json.dumps(record) + "\n" for record in kept).encode())


def _replace(path: Path, content: bytes) -> None:
    aside = path.with_name(f"{path.name}.partial")
    aside.write_bytes(content)
    aside.replace(path)
