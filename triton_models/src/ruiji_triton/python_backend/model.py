"""Runs an encoder's ONNX graph inside Triton's Python backend.

Copied unchanged beside `model.onnx` of every encoder, with `engines.py`: what differs between encoders comes from
`config.pbtxt`. It runs in Triton's stub process, where Ruiji's packages need not be installed, so it imports NumPy and
the engine only.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ruiji_triton.python_backend.engines import Engine, EngineError, Tensor, open_engine
else:
    # Triton's stub has the model's own folder on its path, and may have no package of Ruiji.
    from engines import Engine, EngineError, Tensor, open_engine


class TritonPythonModel:
    """One instance of the encoder; Triton calls its methods from one thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the graph and check that it is the one that `config.pbtxt` describes.

        Raises:
            TritonModelException: it is another one; Triton refuses to load the model and says this text.
        """
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        model = Path(args["model_repository"]) / args["model_version"] / "model.onnx"
        _check_checksum(model, parameters["model_sha256"])
        self._engine = _open(model, parameters)
        (self._input,) = config["input"]
        (self._output,) = config["output"]
        _check_tensor(self._engine.inputs, self._input, "uint8")
        _check_tensor(self._engine.outputs, self._output, "float32")
        # Where the pictures of one batch are laid side by side; kept, because fresh pages cost more than the copy.
        self._batch = np.empty((config["max_batch_size"], *map(int, self._input["dims"])), dtype=np.uint8)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests that Triton's scheduler put together with one run of the graph."""
        pictures = [pb_utils.get_input_tensor_by_name(request, self._input["name"]).as_numpy() for request in requests]
        try:
            vectors = self._engine.run(self._joined(pictures))
        except Exception as error:  # noqa: BLE001  (what escapes reaches callers with file paths; engines have no base class)
            pb_utils.Logger.log_error(f"encoder failed on {sum(map(len, pictures))} pictures: {error!r}")
            fault = pb_utils.TritonError("the encoder failed; the server's log says why", pb_utils.TritonError.INTERNAL)
            return [pb_utils.InferenceResponse(error=fault) for _ in requests]
        ends = np.cumsum([len(part) for part in pictures])
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor(self._output["name"], rows)])
            for rows in np.split(vectors, ends[:-1])
        ]

    def _joined(self, pictures: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        if len(pictures) == 1:
            return pictures[0]
        total = sum(len(part) for part in pictures)
        return np.concatenate(pictures, out=self._batch[:total])


def _check_checksum(model: Path, expected: str) -> None:
    with model.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise pb_utils.TritonModelException(
            f"model.onnx has SHA-256 {found}, config.pbtxt says {expected}: write the repository again"
        )


def _open(model: Path, parameters: dict[str, str]) -> Engine:
    threads = int(parameters["intra_op_thread_count"])
    try:
        return open_engine(parameters["engine"], model, threads=threads, precision=parameters["precision"])
    except EngineError as error:
        raise pb_utils.TritonModelException(str(error)) from error


def _check_tensor(found: list[Tensor], described: dict[str, Any], dtype: str) -> None:
    """Compare the graph's only input or output with the configuration, but for the batch."""
    expected = Tensor(described["name"], dtype, tuple(int(size) for size in described["dims"]))
    if found != [expected]:
        raise pb_utils.TritonModelException(f"the graph has {found}, config.pbtxt describes {expected}")
