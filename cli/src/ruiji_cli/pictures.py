"""Options that open places for pictures to lie in; what they open is `picture_access`."""

from __future__ import annotations

from typing import Annotated

import typer

PicturePrefixes = Annotated[
    list[str] | None,
    typer.Option(
        "--picture-prefix",
        envvar="RUIJI_PICTURE_PREFIXES",
        help="Pictures whose URL begins like this may be fetched: https://images.example.com/, https:// for every "
        "public host, s3://bucket/folder/. Repeat it for several (in the environment, put spaces between them).",
    ),
]
PrivatePictures = Annotated[
    list[str] | None,
    typer.Option(
        "--picture-private",
        envvar="RUIJI_PICTURE_PRIVATE",
        help="Host name or network (10.1.0.0/16) outside the public internet that web pictures may come from; "
        "without it such addresses are refused. Repeat it for several.",
    ),
]
