"""Writing the two model repositories."""

from __future__ import annotations

from pathlib import Path

import onnxruntime as ort
import pytest
from google.protobuf import text_format
from ruiji_encoding.manifest import MODEL_FILE, EncoderError
from ruiji_triton.config import ModelSettings
from ruiji_triton.errors import RepositoryError
from ruiji_triton.onnx_header import read_onnx_header
from ruiji_triton.repositories import encoders_in, write_repositories
from tritonclient.grpc import model_config_pb2 as pb

from tests.support.tiny_encoder import projection_of, tiny_graph, write_artefact, write_tiny_encoder

ONNX_TYPES = {pb.DataType.TYPE_UINT8: "tensor(uint8)", pb.DataType.TYPE_FP32: "tensor(float)"}


def test_each_repository_holds_what_its_backend_needs(tmp_path: Path) -> None:
    manifest = write_tiny_encoder(tmp_path / "encoder")
    write_repositories(tmp_path / "encoder", tmp_path / "out")
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert files == [
        f"container/{manifest.encoder_id}/1/model.onnx",
        f"container/{manifest.encoder_id}/config.pbtxt",
        f"embedded/{manifest.encoder_id}/1/engines.py",
        f"embedded/{manifest.encoder_id}/1/model.onnx",
        f"embedded/{manifest.encoder_id}/1/model.py",
        f"embedded/{manifest.encoder_id}/config.pbtxt",
    ]


def test_container_configuration_describes_the_graph_beside_it(tmp_path: Path) -> None:
    """What Triton's ONNX Runtime backend compares before it loads a model with the configuration not completed."""
    write_tiny_encoder(tmp_path / "encoder")
    written = write_repositories(tmp_path / "encoder", tmp_path / "out")
    folder = written.container / written.encoder_id
    config = text_format.Parse((folder / "config.pbtxt").read_text(encoding="utf-8"), pb.ModelConfig())
    session = ort.InferenceSession(folder / "1" / MODEL_FILE, providers=["CPUExecutionProvider"])
    assert (config.name, config.backend) == (folder.name, "onnxruntime")
    for described, (found,) in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        (tensor,) = described
        assert (tensor.name, ONNX_TYPES[tensor.data_type]) == (found.name, found.type)
        batch, *rest = found.shape
        assert isinstance(batch, str), "a model that batches needs a batch dimension of any size"
        assert list(tensor.dims) == rest


def test_encoders_live_side_by_side(tmp_path: Path) -> None:
    ids = set()
    for seed in (0, 1):
        ids.add(write_tiny_encoder(tmp_path / str(seed), seed).encoder_id)
        written = write_repositories(tmp_path / str(seed), tmp_path / "out")
    assert set(encoders_in(written.embedded)) == set(encoders_in(written.container)) == ids


def test_writing_again_changes_nothing(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path / "encoder")
    written = write_repositories(tmp_path / "encoder", tmp_path / "out")
    before = _stamps(tmp_path / "out")
    # Python leaves its cache beside model.py when Triton runs it.
    (written.embedded / written.encoder_id / "1" / "__pycache__").mkdir()
    write_repositories(tmp_path / "encoder", tmp_path / "out")
    assert _stamps(tmp_path / "out") == before


def test_other_settings_replace_the_model(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path / "encoder")
    write_repositories(tmp_path / "encoder", tmp_path / "out")
    written = write_repositories(tmp_path / "encoder", tmp_path / "out", ModelSettings(max_batch_size=8))
    for repository in (written.embedded, written.container):
        assert "max_batch_size: 8" in (repository / written.encoder_id / "config.pbtxt").read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["container", "embedded"]


def test_repositories_keep_their_graph_when_the_artefact_is_overwritten(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path / "encoder")
    written = write_repositories(tmp_path / "encoder", tmp_path / "out")
    model = written.embedded / written.encoder_id / "1" / MODEL_FILE
    before = model.read_bytes()
    write_tiny_encoder(tmp_path / "encoder", seed=1)
    assert model.read_bytes() == before


def test_damaged_model_is_refused(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path / "encoder")
    with (tmp_path / "encoder" / MODEL_FILE).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(EncoderError, match="damaged"):
        write_repositories(tmp_path / "encoder", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("opset", "ir_version"), [(21, 10), (20, 11)])
def test_graph_too_new_for_the_container_is_refused(tmp_path: Path, opset: int, ir_version: int) -> None:
    projection = projection_of(0)
    graph = tiny_graph(projection, opset=opset, ir_version=ir_version)
    write_artefact(tmp_path / "encoder", graph, projection, name="new")
    with pytest.raises(RepositoryError, match=f"IR version {ir_version} and opset {opset}.*export the encoder again"):
        write_repositories(tmp_path / "encoder", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_header_tells_the_versions_that_onnx_wrote(tmp_path: Path) -> None:
    write_tiny_encoder(tmp_path)
    header = read_onnx_header(tmp_path / MODEL_FILE)
    assert (header.ir_version, header.opsets) == (10, {"": 20})


@pytest.mark.parametrize("content", [b"", b"not a protobuf", b"\x08\x0a"])
def test_file_that_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MODEL_FILE).write_bytes(content)
    with pytest.raises(RepositoryError, match="not an ONNX file"):
        read_onnx_header(tmp_path / MODEL_FILE)


def test_folder_without_models_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="holds no model"):
        encoders_in(tmp_path / "nowhere")


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}
