"""One description of a Triton model, two configurations: for the embedded server and for NVIDIA's container.

Clients see no difference: name, version, tensors, batching and parameters are the same. What differs is the engine that
runs the graph. Configurations are built as protobuf messages, so a misspelt field fails here and not in Triton.

Fields as in https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from google.protobuf import text_format
from ruiji_encoding.manifest import INPUT_NAME, OUTPUT_NAME
from ruiji_encoding.pictures import PICTURE_SIZE_PX
from tritonclient.grpc import model_config_pb2 as pb

from ruiji_triton.cpu_engine import CpuEngine
from ruiji_triton.errors import SettingsError

if TYPE_CHECKING:
    from ruiji_encoding.manifest import EncoderManifest

MODEL_VERSION = 1
"""The only version of a model: another encoder is another model, since embeddings of two never mix."""


class Engine(StrEnum):
    """What runs the graph; the values are the names of Triton's backends."""

    PYTHON = "python"
    """`python_backend/model.py`: the only backend in the nvidia-pytriton wheel."""
    ONNXRUNTIME = "onnxruntime"
    """Triton's own ONNX Runtime backend, part of NVIDIA's container."""
    TENSORRT = "tensorrt"
    """Triton's TensorRT backend, part of NVIDIA's container, on the kind of GPU that the engine was built on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """How Triton batches, queues and runs an encoder."""

    max_batch_size: int = 64
    """Most pictures in one run of the graph."""

    max_queue_delay_us: int = 2_000
    """How long a request waits for others to share its run, in microseconds. A lone request pays all of it, and larger
    batches gain next to nothing on a CPU, so the default is small beside the tens to hundreds of ms of one run."""

    max_queue_requests: int | None = None
    """Requests beyond this many waiting ones are refused at once (UNAVAILABLE); None lets all wait.

    Any limit on the queue costs latency. With one, Triton 24.10 forms no batch while another runs; a single instance
    then misses a request that comes just as a run ends, and looks again 500 ms later (0.1 to 3 % of the requests that
    one caller sends one after the other). So callers have to bound how many requests they have in flight, and to set
    deadlines: a request whose caller gave up leaves the queue. One picture waits as 192 KiB."""

    queue_timeout_s: float | None = None
    """A request that waited this long is refused (UNAVAILABLE); None leaves that to deadlines. It is a limit on the
    queue like the one above."""

    warmup_batch_sizes: tuple[int, ...] = (1, 8)
    """Batches run before the model counts as loaded, so that no caller pays for first allocations."""

    instances: int = 1
    """Copies of the model that run at the same time, each with its own weights in memory."""

    intra_op_threads: int = 0
    """Threads of one run on a CPU; 0 takes every CPU that the server may use."""

    cpu_engine: CpuEngine = CpuEngine.ONNXRUNTIME
    """What runs the graph in the embedded server. `engine_check.check_engine` says whether another one's answers are
    still the encoder's."""

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "instances"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}; it has to be 1 or more")
        for name in ("max_queue_delay_us", "intra_op_threads"):
            if getattr(self, name) < 0:
                raise SettingsError(f"{name} is {getattr(self, name)}; it has to be 0 or more")
        if self.max_queue_requests is not None and self.max_queue_requests < 1:
            raise SettingsError(f"max_queue_requests is {self.max_queue_requests}; it has to be 1 or more, or None")
        if self.queue_timeout_s is not None and not self.queue_timeout_s > 0:
            raise SettingsError(f"queue_timeout_s is {self.queue_timeout_s}; it has to be above 0, or None")
        outside = [size for size in self.warmup_batch_sizes if not 1 <= size <= self.max_batch_size]
        if outside:
            raise SettingsError(
                f"warmup_batch_sizes has {outside}, outside 1 to max_batch_size = {self.max_batch_size}"
            )


def model_config(manifest: EncoderManifest, engine: Engine, settings: ModelSettings) -> pb.ModelConfig:
    """Describe the encoder as a Triton model.

    Its name is the encoder id; its parameters repeat the id with what else a caller or `model.py` has to check:
    `encoder_id`, `precision`, `preprocessing`, `model_sha256`; for `model.py` also `engine`.
    """
    config = pb.ModelConfig(name=manifest.encoder_id, backend=engine, max_batch_size=settings.max_batch_size)
    if engine is Engine.TENSORRT:
        config.platform = "tensorrt_plan"
    config.input.add(name=INPUT_NAME, data_type=pb.DataType.TYPE_UINT8, dims=[PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3])
    config.output.add(name=OUTPUT_NAME, data_type=pb.DataType.TYPE_FP32, dims=[manifest.dimensions])
    config.version_policy.specific.versions.append(MODEL_VERSION)
    _add_batching(config, settings)
    _add_instances(config, engine, settings)
    for size in settings.warmup_batch_sizes:
        _add_warmup(config, size)
    parameters = {
        "encoder_id": manifest.encoder_id,
        "precision": str(manifest.precision),
        "preprocessing": manifest.preprocessing,
        "model_sha256": manifest.model_sha256,
        # The ONNX Runtime backend's own name; model.py reads the same.
        "intra_op_thread_count": str(settings.intra_op_threads),
    }
    if engine is Engine.PYTHON:
        parameters["engine"] = str(settings.cpu_engine)
    for key, value in parameters.items():
        config.parameters[key].string_value = value
    return config


def config_text(config: pb.ModelConfig) -> str:
    """Return the configuration as `config.pbtxt` holds it."""
    return text_format.MessageToString(config)


def _add_batching(config: pb.ModelConfig, settings: ModelSettings) -> None:
    config.dynamic_batching.max_queue_delay_microseconds = settings.max_queue_delay_us
    if settings.max_queue_requests is not None:
        config.dynamic_batching.default_queue_policy.max_queue_size = settings.max_queue_requests
    if settings.queue_timeout_s is not None:
        policy = config.dynamic_batching.default_queue_policy
        policy.timeout_action = pb.ModelQueuePolicy.REJECT
        policy.default_timeout_microseconds = round(settings.queue_timeout_s * 1e6)


def _add_instances(config: pb.ModelConfig, engine: Engine, settings: ModelSettings) -> None:
    # AUTO takes a GPU where the container finds one. The embedded server's engines are for CPUs.
    kinds = {Engine.PYTHON: pb.ModelInstanceGroup.KIND_CPU, Engine.TENSORRT: pb.ModelInstanceGroup.KIND_GPU}
    kind = kinds.get(engine, pb.ModelInstanceGroup.KIND_AUTO)
    config.instance_group.add(kind=kind, count=settings.instances)


def _add_warmup(config: pb.ModelConfig, batch_size: int) -> None:
    sample = config.model_warmup.add(name=f"batch_{batch_size}", batch_size=batch_size)
    pixels = sample.inputs[INPUT_NAME]
    pixels.data_type = pb.DataType.TYPE_UINT8
    pixels.dims.extend([PICTURE_SIZE_PX, PICTURE_SIZE_PX, 3])
    # Random data takes the same time as pictures do, and zeros could meet a shortcut.
    pixels.random_data = True
