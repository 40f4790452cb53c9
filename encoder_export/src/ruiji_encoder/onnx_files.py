"""Writing, quantising and checking the ONNX file itself."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import TYPE_CHECKING

import onnx
import torch
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.quant_utils import add_pre_process_metadata
from ruiji_encoding.manifest import INPUT_NAME, OUTPUT_NAME
from ruiji_encoding.pictures import PICTURE_SIZE_PX

from ruiji_encoder.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ruiji_encoder.graph import PixelsToUnitVector

OPSET = 20
"""The lowest with Gelu as one node; the highest of ONNX Runtime in Triton 24.10."""

MAX_IR_VERSION = 10
"""The highest of ONNX Runtime in Triton 24.10."""

MAX_MODEL_BYTES = 2**31 - 1
"""Protobuf's limit for one file; more would need a second file beside it."""

_PROJECTION_MATRIX = "matrix"
"""Name of the initializer, from the attribute of `PixelsToUnitVector`."""


def write_onnx(module: PixelsToUnitVector, path: Path) -> None:
    """Export to one ONNX file with a dynamic batch, and check it.

    Raises:
        ExportError: the model does not fit one file, or the file is not what Triton 24.10 loads.
    """
    weights_bytes = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if weights_bytes > MAX_MODEL_BYTES:
        raise ExportError(f"the weights take {weights_bytes} bytes; one ONNX file holds {MAX_MODEL_BYTES}")
    # Two pictures: torch.export takes a batch of one for a constant.
    example = torch.zeros((2, PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3), dtype=torch.uint8)
    with quiet_exporter():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes={"pixels": {0: torch.export.Dim("batch")}},
            verbose=False,
        )
    if program is None:
        raise ExportError("torch.onnx.export returned no program")
    model = program.model_proto
    strip_traces(model)
    onnx.save_model(model, path, save_as_external_data=False)
    check_onnx(path)


def quantise_onnx(source: Path, target: Path) -> None:
    """Turn the tower's matrix products into int8 with activations scaled at run time; check the result.

    Weights are int8 per output channel. Patch convolution, softmax, norms and the projection stay in fp32.
    Weights use 7 of 8 bits: processors with AVX2 but without VNNI add pairs of products in 16 bits, which 8-bit
    weights overflow, and then an embedding would depend on the machine that made it.

    Raises:
        ExportError: the projection cannot be told apart in the graph, or the file does not check.
    """
    model = onnx.load(source)
    projections = [
        node.name for node in model.graph.node if node.op_type == "MatMul" and _PROJECTION_MATRIX in node.input
    ]
    if len(projections) != 1:
        raise ExportError(f"expected one product with the projection in {source}, found {len(projections)}")
    inferred = onnx.shape_inference.infer_shapes(model)
    # What this mark asks for has just been done; without it the quantiser logs a warning on the root logger.
    add_pre_process_metadata(inferred)
    onnx.save_model(inferred, target)
    quantize_dynamic(
        target,
        target,
        op_types_to_quantize=["MatMul", "Gemm"],
        per_channel=True,
        reduce_range=True,
        nodes_to_exclude=projections,
    )
    quantised = onnx.load(target)
    del quantised.metadata_props[:]
    onnx.save_model(quantised, target)
    check_onnx(target)


def check_onnx(path: Path) -> None:
    """Check a file against the ONNX specification and against what Triton 24.10 loads.

    Raises:
        ExportError: it is invalid, too new, or not in one piece.
    """
    try:
        onnx.checker.check_model(path, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{path} is not valid ONNX: {error}") from error
    model = onnx.load(path, load_external_data=False)
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    if model.ir_version > MAX_IR_VERSION or opsets.get("", 0) > OPSET:
        raise ExportError(
            f"{path} has IR {model.ir_version} and opsets {opsets}; Triton 24.10 takes IR {MAX_IR_VERSION} and "
            f"opset {OPSET} at most"
        )
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise ExportError(f"{path} keeps weights in a second file")


@contextlib.contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keep torch.onnx.export's own talk from people."""
    # The exporter tells of torchvision's absence and of nodes that it could not fold; neither matters here, and the
    # warning is about torch's own use of its own pytree.
    names = ("torch.onnx", "onnxscript", "onnx_ir")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


def strip_traces(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes about where nodes came from."""
    # The exporter notes for each node which line of which file made it, with the paths of this machine.
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
        value.doc_string = ""
    del model.metadata_props[:], model.graph.metadata_props[:]
