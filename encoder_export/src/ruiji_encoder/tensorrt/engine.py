"""Building and running TensorRT engines, where `tensorrt` imports and a GPU is there.

The API is what TensorRT 10 and 11 share: https://docs.nvidia.com/deeplearning/tensorrt/latest/. So does TensorRT for
RTX, another product of the same parser and builder, which needs no GPU to build and whose engines Triton does not load:
`build_plan` is tested with it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from ruiji_encoding.manifest import INPUT_NAME, OUTPUT_NAME
from ruiji_encoding.pictures import PICTURE_SIZE_PX

from ruiji_encoder.errors import ExportError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How an engine is built."""

    smallest_batch: int = 1
    """Pictures in the smallest batch that it takes."""
    usual_batch: int = 8
    """The batch that kernels are chosen for."""
    largest_batch: int = 64
    """Pictures in the largest batch; Triton's max_batch_size must not be above it."""
    workspace_bytes: int = 4 * 2**30
    """Most memory of the GPU that a kernel may borrow while it runs."""

    def __post_init__(self) -> None:
        if not 1 <= self.smallest_batch <= self.usual_batch <= self.largest_batch:
            raise ExportError(
                f"batches of {self.smallest_batch}, {self.usual_batch} and {self.largest_batch} must rise from 1"
            )


def load_tensorrt() -> Any:  # noqa: ANN401  (a module without types, and not there on most machines)
    """Import TensorRT.

    Raises:
        ExportError: it is not installed, or there is no GPU.
    """
    try:
        tensorrt = importlib.import_module("tensorrt")
    except ImportError as error:
        raise ExportError(
            f"TensorRT cannot be imported ({error}): run this inside NVIDIA's container "
            "(nvcr.io/nvidia/tritonserver or tensorrt), with the release that will serve the engine"
        ) from error
    if not torch.cuda.is_available():
        kind = "which is a build of torch for CPUs" if torch.version.cuda is None else "which is a build for GPUs"
        raise ExportError(
            f"TensorRT builds for the GPU that it runs on, and torch {torch.__version__}, {kind}, sees none here: run "
            "this on a machine of the kind that will serve, with a torch for its GPU"
        )
    return tensorrt


def build_engine(model: bytes, settings: EngineSettings, timing_cache: Path | None) -> bytes:
    """Build a strongly typed engine for the GPU of this machine; arguments and errors as for `build_plan`."""
    return build_plan(load_tensorrt(), model, settings, timing_cache)


def parse_network(trt: Any, builder: Any, logger: Any, model: bytes) -> Any:  # noqa: ANN401  (a module without types)
    """Turn an ONNX file into a strongly typed `INetworkDefinition`.

    Args:
        trt: the library.
        builder: a `trt.Builder`; must outlive the network.
        logger: a `trt.Logger`.
        model: see `build_plan`.

    Raises:
        ExportError: the library knows a node otherwise or not at all.
    """
    # Ignored from TensorRT 11 on, where there are no other networks.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        errors = [str(parser.get_error(number)) for number in range(parser.num_errors)]
        raise ExportError(f"TensorRT {trt.__version__} cannot parse the graph: {errors[0] if errors else 'no reason'}")
    return network


def build_plan(trt: Any, model: bytes, settings: EngineSettings, timing_cache: Path | None) -> bytes:  # noqa: ANN401  (as above)
    """Parse, describe the batches, and build.

    Args:
        trt: the library.
        model: an ONNX file as `with_planned_types` makes it.
        settings: see there.
        timing_cache: file with the measured times of kernels, which makes a second build fast and equal to the first;
            read if there, and written. None keeps nothing.

    Raises:
        ExportError: TensorRT cannot parse the graph or cannot build it; its own messages are on standard error.
    """
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = parse_network(trt, builder, logger, model)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_bytes)
    profile = builder.create_optimization_profile()
    shapes = [
        (batch, PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3)
        for batch in (settings.smallest_batch, settings.usual_batch, settings.largest_batch)
    ]
    profile.set_shape(INPUT_NAME, *shapes)
    config.add_optimization_profile(profile)
    if timing_cache is not None:
        cache = config.create_timing_cache(timing_cache.read_bytes() if timing_cache.exists() else b"")
        # A cache of another GPU or release is refused rather than trusted.
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            raise ExportError(
                f"{timing_cache} is damaged, or was made by another TensorRT or on another GPU: delete it"
            )
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ExportError(f"TensorRT {trt.__version__} could not build the engine; its messages above say why")
    if timing_cache is not None:
        timing_cache.write_bytes(bytes(config.get_timing_cache().serialize()))
    return bytes(plan)


class EngineEncoder:
    """A built engine: pictures in, embeddings out, for the gate."""

    def __init__(self, plan: bytes, dimensions: int) -> None:
        """Load it onto the GPU.

        Raises:
            ExportError: TensorRT cannot be had, or refuses the engine.
        """
        trt = load_tensorrt()
        self._runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        engine = self._runtime.deserialize_cuda_engine(plan)
        if engine is None:
            raise ExportError("TensorRT cannot load the engine that it has just built")
        self._engine, self._context, self._dimensions = engine, engine.create_execution_context(), dimensions

    def embed(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed one batch; shapes as for `onnx_session.OnnxEncoder.embed`."""
        incoming = torch.from_numpy(np.ascontiguousarray(pixels)).cuda()
        outgoing = torch.empty((len(pixels), self._dimensions), dtype=torch.float32, device="cuda")
        self._context.set_input_shape(INPUT_NAME, tuple(incoming.shape))
        self._context.set_tensor_address(INPUT_NAME, incoming.data_ptr())
        self._context.set_tensor_address(OUTPUT_NAME, outgoing.data_ptr())
        stream = torch.cuda.current_stream()
        if not self._context.execute_async_v3(stream.cuda_stream):
            raise ExportError(f"the engine cannot run a batch of {len(pixels)}")
        stream.synchronize()
        embeddings: NDArray[np.float32] = outgoing.cpu().numpy()
        return embeddings
