"""An exported encoder, in this process. Its features are embeddings already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ruiji_encoder.onnx_session import open_encoder

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class ArtefactEncoder:
    """The graph that Triton serves, run by ONNX Runtime on the CPU."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Check and load it.

        Raises:
            ruiji_encoding.manifest.EncoderError: it is incomplete or damaged.
        """
        self._manifest, self._encoder = open_encoder(folder, threads=threads)
        # Two exports of one encoder may differ in the last bits, so the file counts and not the id alone.
        self.key = f"{self._manifest.encoder_id}-{self._manifest.model_sha256[:16]}"
        self.description = f"{self._manifest.name}, {self._manifest.precision}, {self._manifest.encoder_id}"

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return embeddings, shape (n, d), float32, unit length."""
        return self._encoder.embed(pictures)
