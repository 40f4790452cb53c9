"""What may change about an experiment that has begun: nothing that moves a unit from one variant to another."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ruiji_experiments.definition.errors import Conflict, ConflictError, DefinitionError
from ruiji_experiments.definition.model import Experiment

_FIXED: Final = ("variants", "salt", "layer", "target", "start", "is_aa", "interleaved")
"""Traffic, ramp, end and description may change."""


def check_change(before: Experiment | None, after: Experiment, now: datetime) -> None:
    """Check that an experiment may become another.

    Args:
        before: as it was; None if there was none of the name.
        after: as it should be.
        now: aware.

    Raises:
        ConflictError: it has begun, and something that must stay would change.
        DefinitionError: its end would be put into the past, where people have been shown otherwise.
    """
    if after.end is not None and after.end < now and (before is None or after.end != before.end):
        raise DefinitionError(f"{after.end.isoformat()} has passed", field="end")
    if before is None or now < before.start:
        return
    changed = [name for name in _FIXED if getattr(before, name) != getattr(after, name)]
    if changed:
        raise ConflictError(
            Conflict.STARTED,
            f"experiment {after.name!r} began on {before.start.isoformat()}; {', '.join(changed)} can no longer "
            "change, or units would move between variants and its outcome would mean nothing. Stop it, and put "
            "another one under another name",
            field=changed[0],
        )
