"""An exported encoder in ONNX Runtime, in this process: for parity, evaluation and benchmarks. Serving uses Triton."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from ruiji_encoding.manifest import INPUT_NAME, MODEL_FILE, OUTPUT_NAME, EncoderManifest, read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray


class OnnxEncoder:
    """Pictures in, embeddings out, on the CPU."""

    def __init__(self, model: Path, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed one batch.

        Args:
            pixels: RGB, shape (n, 256, 256, 3), uint8.

        Returns:
            Embeddings, shape (n, d), float32, unit length.
        """
        (embeddings,) = self._session.run([OUTPUT_NAME], {INPUT_NAME: pixels})
        return np.asarray(embeddings)

    def embed_all(
        self, batches: Iterable[NDArray[np.uint8]], *, progress: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Embed many batches and stack the answers in order."""
        parts = []
        for batch in batches:
            parts.append(self.embed(batch))
            if progress is not None:
                progress(len(batch))
        return np.concatenate(parts)


def open_encoder(folder: Path, *, threads: int = 1) -> tuple[EncoderManifest, OnnxEncoder]:
    """Check an encoder artefact and load it.

    Raises:
        ruiji_encoding.manifest.EncoderError: it is incomplete or damaged.
    """
    manifest = read_manifest(folder)
    return manifest, OnnxEncoder(folder / MODEL_FILE, threads=threads)
