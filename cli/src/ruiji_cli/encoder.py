"""`ruiji encoder`: train, export and look at encoders."""

from __future__ import annotations

import typer

app = typer.Typer(help="Train and export encoders, write their Triton repositories.", no_args_is_help=True)
