"""Options that several commands of `ruiji index` take."""

from __future__ import annotations

from typing import Annotated

import typer

RecallFloor = Annotated[float, typer.Option(min=0.0, max=1.0, help="Least recall at 20 without a price band.")]
BandRecallFloor = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Least recall at 20 in each price band that is measured.")
]
ReachableFloor = Annotated[float, typer.Option(min=0.0, max=1.0, help="Least share of the items that searches find.")]
Keep = Annotated[
    int,
    typer.Option(
        min=1, help="How many generations of each encoder stay, the published one included; none of a retired one."
    ),
]
KeepAge = Annotated[float, typer.Option(min=0.0, help="Generations younger than so many seconds stay in any case.")]
