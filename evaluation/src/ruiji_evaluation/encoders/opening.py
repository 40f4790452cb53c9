"""From what an encoder is said to be to one that answers. Each kind loads its own libraries, when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_evaluation.encoders.spec import ArtefactSource, HubSource, OnnxSource

if TYPE_CHECKING:
    from ruiji_evaluation.encoders.base import PictureEncoder
    from ruiji_evaluation.encoders.spec import EncoderSpec


def open_encoder(spec: EncoderSpec, *, threads: int = 1) -> PictureEncoder:
    """Load the encoder of a spec, without its PCA.

    Args:
        spec: see there.
        threads: CPU cores it may use.

    Raises:
        EncoderUnavailable: it cannot be loaded; the message names it and says what to do.
        ruiji_encoding.manifest.EncoderError: an artefact is incomplete or damaged.
    """
    source = spec.source
    if isinstance(source, ArtefactSource):
        from ruiji_evaluation.encoders.artefact import ArtefactEncoder

        return ArtefactEncoder(source.folder, threads=threads)
    if isinstance(source, OnnxSource):
        from ruiji_evaluation.encoders.onnx_model import OnnxPictureModel

        return OnnxPictureModel(source, threads=threads)
    if isinstance(source, HubSource):
        from ruiji_evaluation.encoders.hub import HubEncoder

        return HubEncoder(source.checkpoint, revision=source.revision, threads=threads)
    from ruiji_evaluation.encoders.raw_pixels import RawPixels

    return RawPixels(source.side_px)
