"""What an encoder is, as a study or the command line says it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ruiji_evaluation.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ruiji_evaluation.toml_table import TomlTable

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ArtefactSource:
    """An exported encoder: a folder with `model.onnx` and `encoder.json`."""

    folder: Path
    """Made by `ruiji encoder export`."""


@dataclass(frozen=True, slots=True)
class OnnxSource:
    """Any ONNX picture model, with the preprocessing it was trained with."""

    model: Path
    """The file. Its first output must be one vector for each picture."""
    size_px: int = 224
    """Side of the square that it takes."""
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Subtracted from RGB / 255, by channel."""
    deviation: tuple[float, ...] = IMAGENET_DEVIATION
    """Divides what remains, by channel."""
    channels_last: bool = False
    """Whether its input is (n, height, width, 3) instead of (n, 3, height, width)."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """A checkpoint of the Hugging Face hub or a folder in its layout, run by PyTorch in fp32."""

    checkpoint: str
    """Such as `google/mobilenet_v2_1.4_224` or `google/siglip-base-patch16-256-multilingual`."""
    revision: str = "main"
    """Branch, tag or commit; pin a commit where a run has to repeat."""


@dataclass(frozen=True, slots=True)
class PixelsSource:
    """The picture itself, made small: what every encoder has to beat."""

    side_px: int = 14
    """Of the thumbnail."""


Source = ArtefactSource | OnnxSource | HubSource | PixelsSource


@dataclass(frozen=True, slots=True)
class EncoderSpec:
    """One row of a report."""

    name: str
    """Heads the row."""
    source: Source
    """What makes the features."""
    pca: int | None = None
    """Dimensions of a PCA fitted on the gallery's features; None leaves them whole."""


def read_spec(name: str, table: TomlTable, earlier: Mapping[str, EncoderSpec]) -> EncoderSpec:
    """Read `[encoders.NAME]` of a study.

    Args:
        name: of the encoder.
        table: has one of the keys artefact, onnx, hub, pixels and same_as, and may have pca.
        earlier: those above it in the file, for same_as.

    Raises:
        StudyError: it says nothing, or too much.
    """
    kinds = [kind for kind in ("artefact", "onnx", "hub", "pixels", "same_as") if table.raw(kind) is not None]
    if len(kinds) != 1:
        raise StudyError(
            f"{table.where('')}needs one of artefact, onnx, hub, pixels and same_as; it has {kinds or 'none'}"
        )
    pca = table.integer("pca", None, low=2) if table.raw("pca") is not None else None
    source = _same_as(table, earlier) if kinds == ["same_as"] else _source(kinds[0], table)
    table.refuse_unknown()
    return EncoderSpec(name, source, pca)


def parse_spec(text: str) -> EncoderSpec:
    """Read `NAME=KIND:WHERE`, such as `ours=artefact:build/encoder` or `zero-shot=hub:google/siglip-...+pca:128`.

    Raises:
        StudyError: it has another form.
    """
    name, equals, rest = text.partition("=")
    kind, colon, where = rest.partition(":")
    where, plus, pca = where.rpartition("+pca:") if "+pca:" in where else (where, "", "")
    sources: dict[str, Callable[[str], Source]] = {
        "artefact": lambda folder: ArtefactSource(Path(folder)),
        "onnx": lambda file: OnnxSource(Path(file)),
        "hub": HubSource,
        "pixels": lambda side_px: PixelsSource(int(side_px)),
    }
    try:
        if not (name and equals and colon and where):
            raise ValueError
        spec = EncoderSpec(name, sources[kind](where))
        return replace(spec, pca=int(pca)) if plus else spec
    except (KeyError, ValueError) as error:
        raise StudyError(
            f"encoder {text!r} must be NAME=KIND:WHERE, where KIND is artefact, onnx (224 px, ImageNet's mean), hub or "
            "pixels, and +pca:DIMENSIONS may follow; a study can say more"
        ) from error


def _same_as(table: TomlTable, earlier: Mapping[str, EncoderSpec]) -> Source:
    other = table.text("same_as")
    if other not in earlier:
        raise StudyError(f"{table.where('same_as')} names {other!r}, which is not above it")
    return earlier[other].source


def _source(kind: str, table: TomlTable) -> Source:
    if kind == "artefact":
        return ArtefactSource(table.path("artefact"))
    if kind == "hub":
        return HubSource(table.text("hub"), table.text("revision", "main"))
    if kind == "pixels":
        return PixelsSource(table.integer("pixels", None, low=1))
    return OnnxSource(
        table.path("onnx"),
        size_px=table.integer("size_px", 224, low=1),
        mean=table.numbers("mean", IMAGENET_MEAN, rising=False),
        deviation=table.numbers("deviation", IMAGENET_DEVIATION, rising=False),
        channels_last=bool(table.raw("channels_last")),
    )
