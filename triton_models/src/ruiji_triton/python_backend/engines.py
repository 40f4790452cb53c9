"""What runs an encoder's graph on a CPU: ONNX Runtime or OpenVINO.

Copied beside `model.py`, which imports it there, in Triton's stub process; before an encoder gets that far,
`ruiji_triton.engine_check` looks at the same code's answers. Needs NumPy and the engine only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

ONNXRUNTIME: Final = "onnxruntime"
OPENVINO: Final = "openvino"

_NUMPY_NAMES: Final = {"tensor(uint8)": "uint8", "tensor(float)": "float32"}
"""Of ONNX Runtime's types."""


class EngineError(Exception):
    """An engine that is not installed, or a graph that it cannot run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output of a graph."""

    name: str
    dtype: str
    """NumPy's name of it."""
    shape: tuple[int, ...]
    """Without the batch dimension; -1 where any size is taken."""


class Engine(Protocol):
    """An open graph."""

    inputs: list[Tensor]
    outputs: list[Tensor]

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed pictures, shape (n, 256, 256, 3), uint8; return shape (n, dimensions), float32, unit length."""


def open_engine(name: str, model: Path, *, threads: int, precision: str) -> Engine:
    """Open a graph.

    Args:
        name: `ONNXRUNTIME` or `OPENVINO`.
        model: the ONNX file.
        threads: of one run; 0 takes every CPU that the process may use.
        precision: the encoder's, by its manifest. ONNX Runtime finds it in the graph.

    Raises:
        EngineError: there is no such engine here, or it cannot run this precision.
    """
    engines: dict[str, Callable[[Path, int, str], Engine]] = {
        ONNXRUNTIME: OnnxRuntimeEngine,
        OPENVINO: OpenVinoEngine,
    }
    if name not in engines:
        raise EngineError(f"no engine is called {name!r}; there are {', '.join(engines)}")
    return engines[name](model, threads or len(os.sched_getaffinity(0)), precision)


class OnnxRuntimeEngine:
    """See `Engine`."""

    def __init__(self, model: Path, threads: int, precision: str) -> None:  # noqa: ARG002  (the graph has it)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Idle threads would spin and take time from the other processes of this machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = [self._described(tensor) for tensor in self._session.get_inputs()]
        self.outputs = [self._described(tensor) for tensor in self._session.get_outputs()]

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Engine`."""
        vectors: NDArray[np.float32]
        (vectors,) = self._session.run([self.outputs[0].name], {self.inputs[0].name: pixels})
        return vectors

    @staticmethod
    def _described(tensor: Any) -> Tensor:  # noqa: ANN401  (ONNX Runtime has no types)
        sizes = tuple(size if isinstance(size, int) else -1 for size in tensor.shape[1:])
        return Tensor(tensor.name, _NUMPY_NAMES.get(tensor.type, tensor.type), sizes)


class OpenVinoEngine:
    """See `Engine`.

    An encoder of bf16 is computed in bf16 where the processor multiplies it, with AMX several times as fast as in
    fp32, and in fp32 elsewhere; all others are computed in what their graph says.
    """

    def __init__(self, model: Path, threads: int, precision: str) -> None:
        try:
            import openvino
        except ImportError as error:
            raise EngineError("OpenVINO is not installed: pip install 'ruiji[openvino]', or use onnxruntime") from error
        if precision == "int8":
            raise EngineError(
                "OpenVINO computes in fp32 where scales of int8 are taken at run time: export the encoder in "
                "int8-static or bf16, or use onnxruntime"
            )
        core = openvino.Core()
        multiplies_bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                # Several models, and whatever else the machine does, would be bound to the same first cores.
                "ENABLE_CPU_PINNING": False,
                "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" and multiplies_bf16 else "f32",
            },
        )
        self.inputs = [self._described(port) for port in compiled.inputs]
        self.outputs = [self._described(port) for port in compiled.outputs]
        self._request = compiled.create_infer_request()

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Engine`."""
        # The answer is a copy: the next run writes where this one's is.
        vectors: NDArray[np.float32] = self._request.infer({self.inputs[0].name: pixels}, share_inputs=True)[0]
        return vectors

    @staticmethod
    def _described(port: Any) -> Tensor:  # noqa: ANN401  (OpenVINO is not always there to take types from)
        sizes = tuple(size.get_length() if size.is_static else -1 for size in list(port.get_partial_shape())[1:])
        return Tensor(port.get_any_name(), str(port.get_element_type().to_dtype()), sizes)
