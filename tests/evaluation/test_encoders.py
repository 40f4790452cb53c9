"""Encoders of every kind behind one interface, and the features they leave on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from ruiji_encoding.manifest import EncoderError
from ruiji_evaluation.embeddings import embed, find_pictures
from ruiji_evaluation.encoders import (
    ArtefactSource,
    EncoderSpec,
    HubSource,
    OnnxSource,
    PixelsSource,
    open_encoder,
    parse_spec,
)
from ruiji_evaluation.errors import EncoderUnavailable, StudyError
from ruiji_evaluation.pictures import PictureFiles

from tests.support.tiny_encoder import tiny_embedding

PICTURES = np.random.default_rng(0).integers(0, 256, (3, 256, 256, 3), np.uint8)


def features(source, pictures=PICTURES):
    return open_encoder(EncoderSpec("x", source)).features(pictures)


def test_an_artefact_answers_with_its_embeddings(shop):
    np.testing.assert_allclose(features(ArtefactSource(shop.folder / "encoder")), tiny_embedding(PICTURES), atol=1e-5)


def test_a_folder_that_is_no_artefact_is_refused(tmp_path):
    with pytest.raises(EncoderError, match=r"encoder.json is missing"):
        features(ArtefactSource(tmp_path))


def test_raw_pixels_are_a_thumbnail_around_middle_grey():
    white = np.full((1, 256, 256, 3), 255, np.uint8)
    assert features(PixelsSource(2), white).tolist() == [[127.5] * 12]


def channel_means(path, *, inputs=1, cut=True):
    """A model that answers with the mean of each channel of (n, 3, h, w)."""
    nodes = [helper.make_node("ReduceMean", ["image", "axes"], ["means"], keepdims=0 if cut else 1)]
    values = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, "h", "w"])]
    values += [helper.make_tensor_value_info(f"more{row}", TensorProto.FLOAT, [1]) for row in range(1, inputs)]
    graph = helper.make_graph(
        nodes,
        "means",
        values,
        [helper.make_tensor_value_info("means", TensorProto.FLOAT, None)],
        [helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def test_a_bare_model_sees_pictures_normalised_as_declared(tmp_path):
    source = OnnxSource(channel_means(tmp_path / "m.onnx"), size_px=32, mean=(0.5, 0.0, 0.0), deviation=(0.5, 1.0, 2.0))
    colour = np.broadcast_to(np.array([255, 51, 102], np.uint8), (2, 256, 256, 3))
    np.testing.assert_allclose(features(source, colour), [[1.0, 0.2, 0.2]] * 2, atol=1e-6)


def test_another_normalisation_is_another_encoder(tmp_path):
    model = channel_means(tmp_path / "m.onnx")
    keys = {open_encoder(EncoderSpec("x", OnnxSource(model, size_px=size))).key for size in (32, 64)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path, "cannot be read"),
        (lambda path: path.write_bytes(b"no model"), "ONNX Runtime cannot load"),
        (lambda path: channel_means(path, inputs=2), "one float32 input"),
        (lambda path: channel_means(path, cut=False), "cut the model after its pooling"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(tmp_path, make, message):
    make(tmp_path / "m.onnx")
    with pytest.raises(EncoderUnavailable, match=message):
        features(OnnxSource(tmp_path / "m.onnx"))


@pytest.fixture(scope="module")
def hub_folders(tmp_path_factory):
    """Checkpoints as the hub has them, with few random weights: SigLIP of 256 px, and MobileNetV2."""
    import torch
    from transformers import (
        MobileNetV2Config,
        MobileNetV2ImageProcessorPil,
        MobileNetV2Model,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(0)
    SiglipVisionModel(
        SiglipVisionConfig(
            image_size=256,
            patch_size=64,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    ).save_pretrained(folder / "siglip")
    MobileNetV2Model(MobileNetV2Config(depth_multiplier=0.1, image_size=96)).save_pretrained(folder / "mobilenet")
    MobileNetV2ImageProcessorPil(size={"shortest_edge": 96}, crop_size={"height": 96, "width": 96}).save_pretrained(
        folder / "mobilenet"
    )
    return folder


def test_a_siglip_goes_the_way_of_the_export(hub_folders):
    from ruiji_encoder.checkpoints import load_vision_tower
    from ruiji_encoder.features import tower_features

    expected = next(iter(tower_features(load_vision_tower(hub_folders / "siglip"), [PICTURES])))
    np.testing.assert_array_equal(features(HubSource(str(hub_folders / "siglip"))), expected)


def test_another_model_of_the_hub_goes_through_its_own_processor(hub_folders):
    from transformers import AutoImageProcessor, AutoModel

    folder = str(hub_folders / "mobilenet")
    answered = features(HubSource(folder))
    batch = AutoImageProcessor.from_pretrained(folder, backend="pil")(images=list(PICTURES), return_tensors="pt")
    expected = AutoModel.from_pretrained(folder).eval()(**batch).pooler_output.detach().numpy()
    assert answered.shape == expected.shape
    np.testing.assert_allclose(answered, expected, atol=1e-5)


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(EncoderUnavailable, match="download the checkpoint elsewhere and give its folder"):
        open_encoder(EncoderSpec("x", HubSource("google/mobilenet_v2_1.4_224")))
    with pytest.raises(EncoderUnavailable, match="does not exist"):
        open_encoder(EncoderSpec("x", HubSource("./absent")))


@pytest.mark.parametrize(
    ("text", "source", "pca"),
    [
        ("ours=artefact:build/encoder", "ArtefactSource", None),
        ("zero-shot=hub:google/siglip-base-patch16-256+pca:128", "HubSource", 128),
        ("tiny=pixels:14", "PixelsSource", None),
        ("net=onnx:a=b.onnx", "OnnxSource", None),
    ],
)
def test_encoders_can_be_named_on_the_command_line(text, source, pca):
    spec = parse_spec(text)
    assert (type(spec.source).__name__, spec.pca, spec.name) == (source, pca, text.partition("=")[0])


@pytest.mark.parametrize("text", ["", "x", "=pixels:2", "x=pixels:", "x=pixels:big", "x=gif:a", "x=pixels:2+pca:much"])
def test_a_name_without_an_encoder_is_refused(text):
    with pytest.raises(StudyError, match="must be NAME=KIND:WHERE"):
        parse_spec(text)


class Counting:
    """An encoder that counts what it is asked."""

    key = "counting-1"
    description = "counts"

    def __init__(self):
        self.seen = 0

    def features(self, pictures):
        self.seen += len(pictures)
        return pictures.reshape(len(pictures), -1)[:, :2].astype(np.float32)


def embedded(encoder, files, names, cache):
    pictures, found = find_pictures(names, files, progress=lambda _: None)
    told: list[int] = []
    vectors, readable = embed(encoder, pictures, files, cache, progress=told.append)
    assert sum(told) == len(pictures.names)
    return vectors, readable, found


def test_each_picture_is_embedded_once(shop, tmp_path):
    encoder = Counting()
    with PictureFiles([shop.folder / "images"]) as files:
        vectors, readable, found = embedded(encoder, files, ["5.png", "6.png", "7.png", "7.png"], tmp_path)
        assert found.tolist() == [True, False, True, True]
        assert readable.tolist() == [False, True, True]
        assert (vectors[1] == vectors[2]).all()
        assert encoder.seen == 1, "equal files are one picture"
        again, _, _ = embedded(encoder, files, ["7.png", "8.png"], tmp_path)
        assert encoder.seen == 2
        assert (again[0] == vectors[1]).all()


def test_a_damaged_part_is_made_again(shop, tmp_path, caplog):
    with PictureFiles([shop.folder / "images"]) as files:
        embedded(Counting(), files, ["7.png"], tmp_path)
        [part] = (tmp_path / "counting-1").iterdir()
        part.write_bytes(part.read_bytes()[:100])
        encoder = Counting()
        embedded(encoder, files, ["7.png"], tmp_path)
    assert encoder.seen == 1
    assert "is damaged" in caplog.text


def test_numbers_that_are_not_finite_are_refused(shop, tmp_path):
    class Broken(Counting):
        def features(self, pictures):
            return np.full((len(pictures), 2), np.nan, np.float32)

    with PictureFiles([shop.folder / "images"]) as files, pytest.raises(EncoderUnavailable, match="not finite"):
        embedded(Broken(), files, ["7.png"], tmp_path)


def test_pictures_come_from_zips_and_folders_and_never_from_outside(shop, tmp_path):
    import zipfile

    (tmp_path / "inside").mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("a.png", b"from the zip")
        archive.writestr("b.png", b"from the zip")
    (tmp_path / "inside" / "a.png").write_bytes(b"from the folder")
    with PictureFiles([tmp_path / "inside", tmp_path / "some.zip"]) as files:
        assert files.read("a.png") == b"from the folder"
        assert files.read("b.png") == b"from the zip"
        assert files.read("../secret.png") is None
    with pytest.raises(StudyError, match="neither a folder nor a zip"):
        PictureFiles([tmp_path / "secret.png"])
