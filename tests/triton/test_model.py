"""The Python backend's model, run by a real tritonserver."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper
from ruiji_encoding.manifest import EncoderManifest
from ruiji_triton.config import ModelSettings
from ruiji_triton.cpu_engine import CpuEngine
from ruiji_triton.errors import StartError
from ruiji_triton.repositories import write_repositories
from ruiji_triton.settings import SupervisorSettings
from ruiji_triton.supervisor import TritonSupervisor
from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from tests.support.tiny_encoder import projection_of, tiny_graph, write_artefact, write_tiny_encoder
from tests.triton.helpers import embed, embed_in_process, random_pixels, stubs_of

pytestmark = pytest.mark.triton

PATIENT = ModelSettings(max_queue_delay_us=200_000, instances=2, warmup_batch_sizes=(1,))
"""Waits long enough for requests that tests send together to share a run."""


@dataclass(frozen=True)
class Served:
    """One tritonserver with four encoders."""

    url: str
    pid: int
    plain: EncoderManifest
    plain_folder: Path
    openvino: EncoderManifest
    """Run by OpenVINO."""
    openvino_folder: Path
    patient: EncoderManifest
    faulty: EncoderManifest
    """Fails on every batch but one of a single picture."""


@pytest.fixture(scope="module")
def served(triton_installed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    plain = write_tiny_encoder(folder / "plain", seed=0)
    write_repositories(folder / "plain", folder)
    openvino = write_tiny_encoder(folder / "openvino", seed=3)
    write_repositories(folder / "openvino", folder, ModelSettings(cpu_engine=CpuEngine.OPENVINO))
    patient = write_tiny_encoder(folder / "patient", seed=1)
    write_repositories(folder / "patient", folder, PATIENT)
    faulty = _write_faulty_encoder(folder / "faulty")
    written = write_repositories(folder / "faulty", folder, ModelSettings(warmup_batch_sizes=(1,)))
    # The second of two starts has its time too, should the first one hang.
    with TritonSupervisor(SupervisorSettings(repository=written.embedded, start_timeout_s=60.0)) as supervisor:
        assert supervisor.pid is not None
        yield Served(
            supervisor.url, supervisor.pid, plain, folder / "plain", openvino, folder / "openvino", patient, faulty
        )


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_embeddings_are_those_of_onnx_runtime_in_process(served: Served, batch: int) -> None:
    pixels = random_pixels(batch)
    through_triton = embed(served.url, served.plain.encoder_id, pixels)
    assert through_triton.shape == (batch, 128)
    cosines = np.sum(through_triton * embed_in_process(served.plain_folder, pixels), axis=1)
    assert cosines.min() >= 1 - 1e-5


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_openvino_answers_as_onnx_runtime_does(served: Served, batch: int) -> None:
    pixels = random_pixels(batch)
    through_triton = embed(served.url, served.openvino.encoder_id, pixels)
    np.testing.assert_allclose(through_triton, embed_in_process(served.openvino_folder, pixels), atol=1e-6)


def test_concurrent_requests_share_runs_and_each_gets_its_own_rows(served: Served) -> None:
    batches = [random_pixels(1 + number % 3, seed=number) for number in range(16)]
    runs_before = _runs(served.url, served.patient.encoder_id)
    with ThreadPoolExecutor(len(batches)) as pool:
        answers = list(pool.map(lambda pixels: embed(served.url, served.patient.encoder_id, pixels), batches))
    for pixels, answer in zip(batches, answers, strict=True):
        np.testing.assert_allclose(answer, embed(served.url, served.patient.encoder_id, pixels), atol=1e-6)
    runs = _runs(served.url, served.patient.encoder_id) - runs_before - len(batches)
    assert runs < len(batches) / 2


def test_request_whose_caller_gave_up_leaves_the_queue(served: Served) -> None:
    runs_before = _runs(served.url, served.patient.encoder_id)
    with pytest.raises(InferenceServerException, match="Deadline Exceeded"):
        embed(served.url, served.patient.encoder_id, random_pixels(1), timeout_s=0.15)
    # Sent later and queued behind it, so its answer says that the queue is past the first.
    embed(served.url, served.patient.encoder_id, random_pixels(1))
    with InferenceServerClient(served.url) as client:
        (statistics,) = client.get_inference_statistics(served.patient.encoder_id).model_stats
    assert statistics.execution_count - runs_before == 1
    assert statistics.inference_stats.fail.count == 1


def test_model_tells_which_encoder_it_is(served: Served) -> None:
    with InferenceServerClient(served.url) as client:
        parameters = client.get_model_config(served.plain.encoder_id).config.parameters
    told = {key: parameters[key].string_value for key in ("encoder_id", "precision", "preprocessing", "model_sha256")}
    assert told == {
        "encoder_id": served.plain.encoder_id,
        "precision": "fp32",
        "preprocessing": served.plain.preprocessing,
        "model_sha256": served.plain.model_sha256,
    }


def test_each_instance_is_a_process_of_its_own(served: Served) -> None:
    assert len(stubs_of(served.pid)) == 1 + 1 + PATIENT.instances + 1


def test_failure_inside_the_encoder_tells_callers_nothing_of_the_machine(served: Served) -> None:
    with pytest.raises(InferenceServerException) as caught:
        embed(served.url, served.faulty.encoder_id, random_pixels(2))
    assert caught.value.status() == "StatusCode.INTERNAL"
    assert caught.value.message() == "the encoder failed; the server's log says why"


def test_failure_inside_the_encoder_does_not_end_it(served: Served) -> None:
    with pytest.raises(InferenceServerException):
        embed(served.url, served.faulty.encoder_id, random_pixels(2))
    assert embed(served.url, served.faulty.encoder_id, random_pixels(1)).shape == (1, 128)


def test_picture_of_another_size_is_refused(served: Served) -> None:
    with pytest.raises(InferenceServerException) as caught:
        embed(served.url, served.plain.encoder_id, np.zeros((1, 224, 224, 3), dtype=np.uint8))
    assert caught.value.status() == "StatusCode.INVALID_ARGUMENT"


def test_unknown_encoder_is_not_found(served: Served) -> None:
    with pytest.raises(InferenceServerException) as caught:
        embed(served.url, "enc-0000000000000000", random_pixels(1))
    assert caught.value.status() == "StatusCode.NOT_FOUND"


def test_strangers_cannot_unload_a_model(served: Served) -> None:
    with InferenceServerClient(served.url) as client, pytest.raises(InferenceServerException, match="restricted"):
        client.unload_model(served.plain.encoder_id)


def test_model_that_is_not_the_configured_one_does_not_load(triton_installed: None, tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path / "encoder")
    written = write_repositories(tmp_path / "encoder", tmp_path)
    other = tiny_graph(projection_of(1)).SerializeToString()
    (written.embedded / written.encoder_id / "1" / "model.onnx").write_bytes(other)
    with pytest.raises(StartError, match=r"config\.pbtxt says .*: write the repository again"):
        TritonSupervisor(SupervisorSettings(repository=written.embedded)).start()


def test_graph_without_the_described_output_does_not_load(triton_installed: None, tmp_path: Path) -> None:
    graph = tiny_graph(projection_of(0))
    graph.graph.node[-1].output[0] = graph.graph.output[0].name = "embedding"
    write_artefact(tmp_path / "encoder", graph, projection_of(0), name="misnamed")
    written = write_repositories(tmp_path / "encoder", tmp_path)
    with pytest.raises(StartError, match=r"the graph has .*'embedding'.*, config\.pbtxt describes .*'unit_vector'"):
        TritonSupervisor(SupervisorSettings(repository=written.embedded)).start()


def _write_faulty_encoder(folder: Path) -> EncoderManifest:
    projection = projection_of(2)
    graph = tiny_graph(projection)
    (flat,) = (tensor for tensor in graph.graph.initializer if tensor.name == "flat")
    flat.CopyFrom(numpy_helper.from_array(np.array([1, len(projection)], dtype=np.int64), "flat"))
    return write_artefact(folder, graph, projection, name="faulty")


def _runs(url: str, encoder_id: str) -> int:
    with InferenceServerClient(url) as client:
        (statistics,) = client.get_inference_statistics(encoder_id).model_stats
    return int(statistics.execution_count)
