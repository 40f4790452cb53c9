"""What can be wrong with an experiment before it runs. Each message says what to do.

RuijiExperimentsError
├── DefinitionError    an experiment that contradicts itself; names the field
└── ConflictError      an experiment that cannot be beside others, or cannot change as it should; has a kind
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from ruiji_experiments.errors import RuijiExperimentsError


class DefinitionError(RuijiExperimentsError):
    """An experiment that contradicts itself.

    Attributes:
        message: for people.
        field: path of the field at fault inside the experiment, such as `variants[1].share_bp`.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.message = message
        self.field = field


@contextmanager
def inside(path: str) -> Iterator[None]:
    """Let a `DefinitionError` of a part name the field from the whole: `share_bp` becomes `variants[1].share_bp`."""
    try:
        yield
    except DefinitionError as error:
        raise DefinitionError(error.message, field=f"{path}.{error.field}" if error.field else path) from error


class Conflict(StrEnum):
    """Why an experiment that is right in itself cannot be taken. Callers branch on them: never rename one."""

    INTERLEAVING_TAKEN = "EXPERIMENT_INTERLEAVING_TAKEN"
    LAYER_FULL = "EXPERIMENT_LAYER_FULL"
    PARAMETER_TAKEN = "EXPERIMENT_PARAMETER_TAKEN"
    SALT_TAKEN = "EXPERIMENT_SALT_TAKEN"
    STARTED = "EXPERIMENT_STARTED"


class ConflictError(RuijiExperimentsError):
    """An experiment that cannot be beside others, or cannot change as it should.

    Attributes:
        kind: stable, for programs.
        message: for people.
        field: path of the field at fault inside the experiment.
    """

    def __init__(self, kind: Conflict, message: str, *, field: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.field = field
