"""Any ONNX picture model: resized, normalised as declared, run by ONNX Runtime."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from ruiji_encoding.pictures import PREPROCESSING

from ruiji_evaluation.encoders.resizing import resized
from ruiji_evaluation.errors import EncoderUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ruiji_evaluation.encoders.spec import OnnxSource


class OnnxPictureModel:
    """A model whose file says nothing about its preprocessing, so that the study does."""

    def __init__(self, source: OnnxSource, *, threads: int = 1) -> None:
        """Load it.

        Raises:
            EncoderUnavailable: there is no such file, ONNX Runtime cannot load it, or it has more than one input.
        """
        if len(source.mean) != 3 or len(source.deviation) != 3 or 0.0 in source.deviation:
            raise EncoderUnavailable(f"{source.model}: mean and deviation take three numbers, no deviation being 0")
        try:
            digest = hashlib.sha256(source.model.read_bytes())
        except OSError as error:
            raise EncoderUnavailable(f"ONNX model {source.model} cannot be read: {error.strerror}") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        try:
            self._session = onnxruntime.InferenceSession(str(source.model), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # onnxruntime raises a dozen unrelated kinds of its own.
            raise EncoderUnavailable(f"ONNX Runtime cannot load {source.model}: {error}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            raise EncoderUnavailable(f"{source.model} must have one float32 input, the picture")
        self._input, self._source = inputs[0].name, source
        digest.update(
            f"{source.size_px} {source.mean} {source.deviation} {source.channels_last} {PREPROCESSING}".encode()
        )
        self.key = f"onnx-{digest.hexdigest()[:32]}"
        self.description = f"{source.model.name}, {source.size_px} px, fp32 file as it is"

    def features(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the model's first output, shape (n, D), float32."""
        scaled = resized(pictures, self._source.size_px).astype(np.float32) / np.float32(255.0)
        normal = (scaled - np.array(self._source.mean, np.float32)) / np.array(self._source.deviation, np.float32)
        batch = normal if self._source.channels_last else normal.transpose(0, 3, 1, 2)
        answer = np.asarray(self._session.run(None, {self._input: np.ascontiguousarray(batch)})[0])
        if answer.ndim != 2 or len(answer) != len(pictures):
            raise EncoderUnavailable(
                f"{self._source.model} answers with shape {answer.shape} for {len(pictures)} pictures; expected one "
                "vector for each, so cut the model after its pooling"
            )
        return answer.astype(np.float32)
