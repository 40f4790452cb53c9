"""Runs an encoder's ONNX graph inside Triton's Python backend.

Copied unchanged beside `model.onnx` of every encoder: what differs between encoders comes from `config.pbtxt`. It runs
in Triton's stub process, where Ruiji's packages need not be installed, so it imports NumPy and ONNX Runtime only.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray


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
        self._session = _open(model, threads=int(parameters["intra_op_thread_count"]))
        (self._input,) = config["input"]
        (self._output,) = config["output"]
        _check_tensor(self._session.get_inputs(), self._input, "tensor(uint8)")
        _check_tensor(self._session.get_outputs(), self._output, "tensor(float)")
        # Where the pictures of one batch are laid side by side; kept, because fresh pages cost more than the copy.
        self._batch = np.empty((config["max_batch_size"], *map(int, self._input["dims"])), dtype=np.uint8)

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests that Triton's scheduler put together with one run of the graph."""
        pictures = [pb_utils.get_input_tensor_by_name(request, self._input["name"]).as_numpy() for request in requests]
        try:
            (vectors,) = self._session.run([self._output["name"]], {self._input["name"]: self._joined(pictures)})
        except Exception as error:  # noqa: BLE001  (what escapes reaches callers with file paths; ONNX Runtime has no base class)
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


def _open(model: Path, *, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    options.inter_op_num_threads = 1
    # Idle threads would spin and take time from the other processes of this machine.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _check_tensor(found: list[Any], described: dict[str, Any], onnx_type: str) -> None:
    """Compare the graph's only input or output with the configuration; the first dimension is the batch."""
    shapes = [(tensor.name, tensor.type, list(tensor.shape[1:])) for tensor in found]
    expected = (described["name"], onnx_type, [int(size) for size in described["dims"]])
    if shapes != [expected]:
        raise pb_utils.TritonModelException(f"the graph has {shapes}, config.pbtxt describes {expected}")
