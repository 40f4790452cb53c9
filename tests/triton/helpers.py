"""What the Triton tests share: pictures, one call of a model, and a look at processes and shared memory."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from ruiji_encoding.manifest import INPUT_NAME, MODEL_FILE, OUTPUT_NAME
from ruiji_triton.runtime import PREFIX, SHARED_MEMORY
from tritonclient.grpc import InferenceServerClient, InferInput

STUB = "triton_python_b"
"""What the kernel calls triton_python_backend_stub: the first 15 characters."""


def random_pixels(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Return pictures of random blocks, shape (count, 256, 256, 3)."""
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    pixels: NDArray[np.uint8] = blocks.repeat(16, axis=1).repeat(16, axis=2)
    return pixels


def embed(url: str, encoder_id: str, pixels: NDArray[np.uint8], *, timeout_s: float = 30.0) -> NDArray[np.float32]:
    """Send one request to Triton."""
    with InferenceServerClient(url) as client:
        tensor = InferInput(INPUT_NAME, list(pixels.shape), "UINT8")
        tensor.set_data_from_numpy(pixels)
        answer = client.infer(encoder_id, [tensor], client_timeout=timeout_s).as_numpy(OUTPUT_NAME)
    assert answer is not None
    assert answer.dtype == np.float32
    vectors: NDArray[np.float32] = answer
    return vectors


def embed_in_process(encoder_folder: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Run the same graph with ONNX Runtime, without Triton."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(encoder_folder / MODEL_FILE, options, providers=["CPUExecutionProvider"])
    vectors: NDArray[np.float32] = session.run([OUTPUT_NAME], {INPUT_NAME: pixels})[0]
    return vectors


def wait_until(is_so: Callable[[], bool], *, at_most_s: float = 30.0) -> None:
    """Wait for something that has to happen soon."""
    deadline = time.monotonic() + at_most_s
    while not is_so():
        assert time.monotonic() < deadline, f"did not happen within {at_most_s} s"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    return _state_and_parent(Path("/proc") / str(pid))[0] not in ("", "Z")


def stubs_of(server_pid: int) -> list[int]:
    """Return the running stubs of a tritonserver, oldest first."""
    found = []
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        state, parent = _state_and_parent(process)
        if parent == server_pid and state != "Z" and _name(process) == STUB:
            found.append(int(process.name))
    return found


def regions_of(pid: int) -> set[str]:
    """Return the shared-memory regions that a process maps: its own, whatever other servers run beside it."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
    return {path.name for path in SHARED_MEMORY.glob(f"{PREFIX}*") if path.name in maps}


def runtime_of(pid: int) -> str:
    """Return the name of the runtime folder that a tritonserver lives in, which its regions' names begin with."""
    (name,) = {region[: len(PREFIX) + 16] for region in regions_of(pid)}
    return name


def left_of(runtime: str) -> list[Path]:
    """Return what there is on the machine of a runtime folder: the folder, its regions."""
    return [*Path(tempfile.gettempdir()).glob(runtime), *SHARED_MEMORY.glob(f"{runtime}-*")]


def _state_and_parent(process: Path) -> tuple[str, int]:
    try:
        # "pid (name) state ppid ..."; the name may hold spaces.
        state, parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "", 0
    return state, int(parent)


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""
