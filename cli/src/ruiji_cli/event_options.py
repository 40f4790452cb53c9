"""Options of the events' log, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruiji_cli.failures import UsageProblem

if TYPE_CHECKING:
    from ruiji_experiments.replay.exploration import Exploration
    from ruiji_server.events.settings import EventSettings

EventsRoot = Annotated[
    str | None,
    typer.Option(
        "--events",
        envvar="RUIJI_EVENTS",
        metavar="FOLDER_OR_URL",
        help="Where impressions, taps and purchases are kept: a folder, or a URL such as s3://bucket/events.",
    ),
]
JournalFolder = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        envvar="RUIJI_JOURNAL",
        help="Folder of the events' journal, on a disk of this machine.  "
        "[default: journal inside the events' folder; for a URL, DATA/journal]",
    ),
]
UnitKey = Annotated[
    Path | None,
    typer.Option(
        "--unit-key",
        envvar="RUIJI_UNIT_KEY",
        help="File with the key that ids of users are hashed with; made if there is none. The same for all servers, "
        "and for good.  [default: DATA/unit.key]",
    ),
]
LogImpressions = Annotated[
    float,
    typer.Option(
        "--log-impressions",
        metavar="SHARE",
        min=0.0,
        max=1.0,
        envvar="RUIJI_LOG_IMPRESSIONS",
        help="Share of answers that the server logs itself, with what each rank is due to; needs --events.",
    ),
]

Explore = Annotated[
    float,
    typer.Option(
        "--explore",
        metavar="SHARE",
        min=0.0,
        max=1.0,
        help="Share of pages whose order is shuffled, so that `ruiji experiment replay` can judge other rankings by "
        "their log. Every item then says with what probability it came to its place.",
    ),
]
ExploreWindow = Annotated[
    int, typer.Option("--explore-window", min=2, help="With --explore, positions that are shuffled among each other.")
]


def events_root(data: Path, root: str | None) -> str:
    """Return where events are kept: what was given, or the installation's own folder."""
    return root or str(data / "events")


def journal_folder(data: Path, root: str, journal: Path | None) -> Path:
    """Return where the journal of this machine is."""
    if journal is not None:
        return journal
    return data / "journal" if "://" in root else Path(root) / "journal"


def event_settings(data: Path, root: str | None, journal: Path | None, log_impressions: float) -> EventSettings | None:
    """Return which events a server keeps; None if it keeps none.

    Raises:
        UsageProblem: impressions are to be logged and nothing says where.
    """
    from ruiji_server.events.settings import EventSettings

    if root is not None:
        return EventSettings(journal_folder(data, root, journal), log_impressions)
    if log_impressions > 0:
        raise UsageProblem("--log-impressions needs --events, which says where they are kept")
    return None


def exploration_of(share: float, window: int) -> Exploration | None:
    """Return how much chance the order of pages has; None if it has none."""
    from ruiji_experiments.replay.exploration import Exploration

    return Exploration(share, window) if share > 0 else None


def unit_key_file(data: Path, key: Path | None) -> Path:
    """Return where the key of units is."""
    return key or data / "unit.key"
