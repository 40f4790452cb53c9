"""The encoder that ships with the demo; `README.md` beside it says how it was made and how good it is."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def demo_encoder_folder() -> Path:
    """Return the folder of the shipped encoder artefact.

    Raises:
        FileNotFoundError: the package is not unpacked on a disk, as Triton needs it to be.
    """
    folder = resources.files("ruiji_demo").joinpath("encoder")
    if not isinstance(folder, Path):
        raise FileNotFoundError("the demo encoder is not on a disk: install ruiji unpacked, not inside a zip archive")
    return folder
