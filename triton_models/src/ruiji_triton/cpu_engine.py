"""The engines that the embedded server can run an encoder by."""

from __future__ import annotations

from enum import StrEnum


class CpuEngine(StrEnum):
    """What `python_backend/model.py` runs the graph by; the values are names in `python_backend/engines.py`."""

    ONNXRUNTIME = "onnxruntime"
    OPENVINO = "openvino"
    """Runs all precisions but int8. In bf16 several times as fast as ONNX Runtime in fp32 on processors with AMX."""
