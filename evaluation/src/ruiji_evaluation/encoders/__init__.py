"""Encoders by name behind one interface: pictures in, features out."""

from ruiji_evaluation.encoders.base import PictureEncoder
from ruiji_evaluation.encoders.opening import open_encoder
from ruiji_evaluation.encoders.spec import (
    ArtefactSource,
    EncoderSpec,
    HubSource,
    OnnxSource,
    PixelsSource,
    parse_spec,
    read_spec,
)

__all__ = [
    "ArtefactSource",
    "EncoderSpec",
    "HubSource",
    "OnnxSource",
    "PictureEncoder",
    "PixelsSource",
    "open_encoder",
    "parse_spec",
    "read_spec",
]
