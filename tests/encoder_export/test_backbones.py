"""EfficientNet-Lite as a picture tower: its arithmetic, its weights, its trunk's maps, and its way to a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import ruiji_encoder.precisions
import torch
from numpy.typing import NDArray
from ruiji_encoder.architecture import read_from_scratch
from ruiji_encoder.augmentation import MIRROR_ONLY, draw_changes
from ruiji_encoder.backbones.efficientnet_lite import (
    LiteVisionConfig,
    LiteVisionTower,
)
from ruiji_encoder.backbones.imagenet_weights import load_imagenet_weights
from ruiji_encoder.backbones.siglip_lite import LiteSiglipModel, set_backbone_px, set_trunk
from ruiji_encoder.backbones.standardising import standardise_head
from ruiji_encoder.backbones.trunk_rows import TrunkRows
from ruiji_encoder.backbones.variants import VARIANTS, Variant
from ruiji_encoder.catalogue import FolderCatalogue
from ruiji_encoder.checkpoints import load_siglip, load_text_tower, load_vision_tower, save_checkpoint, weights_sha256
from ruiji_encoder.errors import CheckpointError, ExportError, TrainingError
from ruiji_encoder.graph import PixelsToUnitVector
from ruiji_encoder.onnx_files import write_onnx
from ruiji_encoder.onnx_session import OnnxEncoder
from ruiji_encoder.pixels import normalise_pixels
from ruiji_encoder.precisions import write_precision
from ruiji_encoder.tokenizers import train_tokenizer
from ruiji_encoder.training import TrainingSettings, new_siglip, train
from ruiji_encoder.training.towers import Towers
from ruiji_encoding.manifest import Precision
from torch.nn.functional import batch_norm, conv2d, pad, relu6

from .conftest import random_projection, tiny_config

LITE0, LITE2 = (VARIANTS[f"efficientnet-lite{size}"] for size in (0, 2))

TOML = """
temperature = 10.0
bias = -3.0

[architecture]
width = 144
text_width = 32
text_depth = 1
text_heads = 2
vocabulary = 60

[backbone]
name = "efficientnet-lite0"
weights = "weights.pth"
trunk_blocks = 11
"""


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    return random_weights(LITE0)


def random_weights(variant: Variant) -> dict[str, torch.Tensor]:
    """Random weights under the names of the package's file, with batch norms that do something."""
    chance = torch.Generator().manual_seed(0)
    made: dict[str, torch.Tensor] = {}

    def convolution(name: str, norm: str, outgoing: int, incoming: int, kernel: int) -> None:
        spread = (incoming * kernel * kernel) ** -0.5
        made[f"{name}.weight"] = torch.randn(outgoing, incoming, kernel, kernel, generator=chance) * spread
        made[f"{norm}.weight"] = 1 + 0.2 * torch.rand(outgoing, generator=chance)
        made[f"{norm}.bias"] = torch.rand(outgoing, generator=chance)
        made[f"{norm}.running_mean"] = 0.1 * torch.randn(outgoing, generator=chance)
        made[f"{norm}.running_var"] = 0.3 + 0.4 * torch.rand(outgoing, generator=chance)

    convolution("_conv_stem", "_bn0", 32, 3, 3)
    incoming, number = 32, 0
    for stage in variant.stages:
        for _ in range(stage.blocks):
            inner, block = incoming * stage.expansion, f"_blocks.{number}."
            if stage.expansion > 1:
                convolution(f"{block}_expand_conv", f"{block}_bn0", inner, incoming, 1)
            convolution(f"{block}_depthwise_conv", f"{block}_bn1", inner, 1, stage.kernel)
            convolution(f"{block}_project_conv", f"{block}_bn2", stage.channels, inner, 1)
            incoming, number = stage.channels, number + 1
    convolution("_conv_head", "_bn1", 1280, incoming, 1)
    return made


@pytest.fixture(scope="module")
def lite_toml(weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backbone")
    torch.save(weights, folder / "weights.pth")
    (folder / "lite.toml").write_text(TOML)
    return folder / "lite.toml"


@pytest.fixture(scope="module")
def catalogue(catalogue_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FolderCatalogue:
    return FolderCatalogue(catalogue_folder, cache=tmp_path_factory.mktemp("decoded"))


def lite_siglip(toml: Path) -> LiteSiglipModel:
    start = read_from_scratch(toml)
    assert start.backbone is not None
    model = new_siglip(start.config(60), seed=0, temperature=start.temperature, bias=start.bias)
    assert isinstance(model, LiteSiglipModel)
    load_imagenet_weights(model.vision_model, start.backbone.weights)
    model.vision_model.lock_trunk()
    return model.eval()


def reference(variant: Variant, weights: dict[str, torch.Tensor], pixels: torch.Tensor) -> torch.Tensor:
    """The network as it was trained: TensorFlow's padding, convolutions without biases, batch norms behind them."""

    def layer(maps: torch.Tensor, name: str, norm: str, *, stride: int = 1) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        # TensorFlow's SAME: so much padding that the output has ceil(side / stride), the odd one behind.
        side = maps.shape[-1]
        missing = max((-(-side // stride) - 1) * stride + kernel.shape[-1] - side, 0)
        maps = pad(maps, (missing // 2, missing - missing // 2) * 2)
        groups = 1 if kernel.shape[1] > 1 or maps.shape[1] == 1 else maps.shape[1]
        found = conv2d(maps, kernel, stride=stride, groups=groups)
        of = [weights[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return batch_norm(found, *of, eps=1e-3)

    maps, number = relu6(layer(pixels, "_conv_stem", "_bn0", stride=2)), 0
    for stage in variant.stages:
        for place in range(stage.blocks):
            block, inner = f"_blocks.{number}.", maps
            if stage.expansion > 1:
                inner = relu6(layer(maps, f"{block}_expand_conv", f"{block}_bn0"))
            stride = stage.stride if place == 0 else 1
            inner = relu6(layer(inner, f"{block}_depthwise_conv", f"{block}_bn1", stride=stride))
            narrow = layer(inner, f"{block}_project_conv", f"{block}_bn2")
            maps, number = (maps + narrow if narrow.shape == maps.shape else narrow), number + 1
    return relu6(layer(maps, "_conv_head", "_bn1")).mean(dim=(2, 3))


@pytest.mark.parametrize("variant", [LITE0, LITE2], ids=lambda variant: str(variant.name))
def test_folded_weights_compute_what_the_trained_network_computes(variant: Variant, tmp_path: Path) -> None:
    weights = random_weights(variant)
    torch.save(weights, tmp_path / "weights.pth")
    (tmp_path / "lite.toml").write_text(TOML.replace(LITE0.name, variant.name))
    tower = lite_siglip(tmp_path / "lite.toml").vision_model
    pixels = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(
            tower.head_input(pixels)[:, -1280:], reference(variant, weights, pixels), rtol=1e-3, atol=1e-4
        )


def test_the_larger_variant_has_the_sizes_of_its_published_weights() -> None:
    assert [(stage.channels, stage.blocks) for stage in LITE2.stages] == [
        (16, 1),
        (24, 3),
        (48, 3),
        (88, 4),
        (120, 4),
        (208, 5),
        (352, 1),
    ]
    assert (LITE2.blocks, LITE2.whole, LITE2.looked_at) == (21, 22, {11: 88, 15: 120})
    assert (LITE0.blocks, LITE0.whole, LITE0.looked_at) == (16, 17, {8: 80, 11: 112})


def test_weights_of_another_network_are_refused_by_name(weights: dict[str, torch.Tensor], tmp_path: Path) -> None:
    tower = LiteVisionTower(LiteVisionConfig(hidden_size=8))
    for name, content, message in (
        ("short.pth", {**weights, "_blocks.3._project_conv.weight": torch.zeros(3, 3, 1, 1)}, r"_blocks\.3\._project"),
        ("other.pth", {"fc.weight": torch.zeros(2)}, "is not efficientnet-lite0: _conv_stem"),
    ):
        torch.save(content, tmp_path / name)
        with pytest.raises(CheckpointError, match=message):
            load_imagenet_weights(tower, tmp_path / name)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(CheckpointError, match=r"text\.pth is no file of torch weights"):
        load_imagenet_weights(tower, tmp_path / "text.pth")
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        load_imagenet_weights(tower, tmp_path / "absent.pth")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trunk_blocks = 18", "a trunk of 18 blocks of efficientnet-lite0 is not from 0 to 17"),
        ("picture_px = 64", "pictures of 64 px for the backbone are not among 256, 128"),
        ("trunk_blocks = true", "trunk_blocks is True, which is no number"),
        ("depth = 3", "unknown depth; there are picture_px, trunk_blocks"),
    ],
)
def test_what_a_backbone_cannot_be_is_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "backbone.toml"
    path.write_text(f'[backbone]\nname = "efficientnet-lite0"\nweights = "w.pth"\n{line}\n')
    with pytest.raises(TrainingError, match=message):
        read_from_scratch(path)
    path.write_text('[backbone]\nname = "resnet50"\nweights = "w.pth"\n')
    with pytest.raises(TrainingError, match=r"needs a name \(efficientnet-lite0, .*\) and weights"):
        read_from_scratch(path)


def test_rows_of_a_trunk_give_the_features_of_the_pictures_as_they_are_and_mirrored(
    lite_toml: Path, catalogue: FolderCatalogue, tmp_path: Path
) -> None:
    model = lite_siglip(lite_toml)
    towers, some = Towers(model, bf16=False), _First(catalogue, 6)
    done: list[int] = []
    maps = TrunkRows(some, model.vision_model, tmp_path, progress=done.append)
    assert (len(maps), sum(done), maps.captions(2)) == (6, 6, catalogue.captions(2))
    rows = np.arange(6)
    batch = torch.from_numpy(maps.pictures(rows))
    assert batch.shape == (6, 2, 2 * (80 + 112) + 16 * 16 * 112)
    changes = draw_changes(6, MIRROR_ONLY, torch.Generator().manual_seed(1))
    assert changes.mirrored.any()
    assert not changes.mirrored.all()
    with torch.inference_mode():
        for drawn in (None, changes):
            torch.testing.assert_close(
                towers.pictures(batch, drawn),
                towers.pictures(torch.from_numpy(some.pictures(rows)), drawn),
                rtol=0.01,
                atol=0.01,
            )
        straight, drawn = (towers.pictures(batch, each)[changes.mirrored] for each in (None, changes))
    assert float((straight - drawn).abs().max()) > 0.02, "the other view is another"

    again = TrunkRows(some, model.vision_model, tmp_path)
    assert np.array_equal(again.pictures(rows), maps.pictures(rows))
    assert len(list(tmp_path.glob("*.npy"))) == 1, "what is cached is not computed again"
    with torch.no_grad():
        model.vision_model.head.second.bias += 1
    TrunkRows(some, model.vision_model, tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 1, "weights behind the trunk do not matter to it"


def test_a_tower_without_a_trunk_has_no_rows(catalogue: FolderCatalogue, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no block of the picture tower stays as it is"):
        TrunkRows(catalogue, LiteVisionTower(LiteVisionConfig(hidden_size=8)), tmp_path)


@pytest.mark.parametrize(("blocks", "backbone_px"), [(1, 128), (3, 256), (8, 128), (11, 256), (LITE0.whole, 128)])
def test_wherever_the_trunk_ends_the_features_are_the_same(lite_toml: Path, blocks: int, backbone_px: int) -> None:
    model = lite_siglip(lite_toml)
    set_backbone_px(model, backbone_px)
    set_trunk(model, 0)
    pixels = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with torch.inference_mode():
        whole = model.vision_model(pixel_values=pixels).pooler_output
        set_trunk(model, blocks)
        rows = model.vision_model.trunk(pixels)
        torch.testing.assert_close(model.vision_model(trunk_rows=rows).pooler_output, whole, rtol=1e-3, atol=1e-5)
    learning = {name.split(".")[0] for name, weight in model.vision_model.named_parameters() if weight.requires_grad}
    assert learning == {"head"} if blocks == LITE0.whole else {"blocks", "top", "head"} >= learning > {"head"}


def test_sides_and_channels_of_maps_are_those_of_the_network(lite_toml: Path) -> None:
    tower = lite_siglip(lite_toml).vision_model
    for side in (256, 128):
        maps = relu6(tower.stem(torch.zeros(1, 3, side, side)))
        for number, block in enumerate(tower.blocks, 1):
            maps = block(maps)
            assert LITE0.map_shape(number, side) == (maps.shape[-1], maps.shape[1])


def test_a_backbone_of_half_the_size_sees_means_of_2_x_2_pixels(lite_toml: Path) -> None:
    model = lite_siglip(lite_toml)
    pixels = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(4)) * 2 - 1
    means = (pixels[..., ::2, ::2] + pixels[..., 1::2, ::2] + pixels[..., ::2, 1::2] + pixels[..., 1::2, 1::2]) / 4
    whole_sha256 = weights_sha256(model.vision_model)
    with torch.inference_mode():
        of_means = model.vision_model(pixel_values=means).pooler_output
        set_backbone_px(model, 128)
        halved = model.vision_model(pixel_values=pixels).pooler_output
    torch.testing.assert_close(halved, of_means, rtol=1e-4, atol=1e-5)
    assert weights_sha256(model.vision_model) != whole_sha256, "other answers, another encoder"


def test_a_new_head_sees_inputs_of_mean_0_and_deviation_1(lite_toml: Path, catalogue: FolderCatalogue) -> None:
    tower = lite_siglip(lite_toml).vision_model
    some = _First(catalogue, 12)
    standardise_head(tower, some)
    with torch.inference_mode():
        inputs = tower.head_input(normalise_pixels(torch.from_numpy(some.pictures(np.arange(12)))))
        standard = (inputs - tower.head.mean) / tower.head.deviation
    varying = inputs.std(dim=0) > 1e-3
    assert varying.any()
    torch.testing.assert_close(standard.mean(dim=0), torch.zeros(len(varying)), rtol=0, atol=1e-2)
    torch.testing.assert_close(standard.std(dim=0)[varying], torch.ones(int(varying.sum())), rtol=0, atol=1e-3)


def test_a_trunk_is_chosen_anew_only_where_there_is_a_backbone(lite_toml: Path, siglip_folder: Path) -> None:
    with pytest.raises(TrainingError, match="the picture tower is SigLIP's own"):
        set_trunk(load_siglip(siglip_folder), 11)
    with pytest.raises(TrainingError, match="a trunk of 18 blocks of efficientnet-lite0 is not from 0 to 17"):
        set_trunk(lite_siglip(lite_toml), 18)
    with pytest.raises(TrainingError, match="the picture tower is SigLIP's own"):
        set_backbone_px(load_siglip(siglip_folder), 128)
    with pytest.raises(TrainingError, match="pictures of 200 px for the backbone are not among 256, 128"):
        set_backbone_px(lite_siglip(lite_toml), 200)


def test_training_moves_what_is_behind_the_trunk_and_nothing_else(
    lite_toml: Path, catalogue: FolderCatalogue, tmp_path: Path
) -> None:
    model = lite_siglip(lite_toml)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    maps = TrunkRows(_First(catalogue, 12), model.vision_model, tmp_path)
    captions = [caption for row in range(12) for caption in catalogue.captions(row)]
    tokenizer = train_tokenizer(captions, vocabulary_size=60)
    settings = TrainingSettings(
        epochs=1, batch_size=6, learning_rate=1e-3, backbone_learning_rate=1e-5, augmentation=MIRROR_ONLY
    )
    model = _with_vocabulary(lite_toml, len(tokenizer))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    train(model, tokenizer, maps, settings)
    moved = {name: float((weight - before[name]).abs().max()) for name, weight in model.state_dict().items()}
    trunk = {f"vision_model.{name}" for name in model.vision_model.trunk_weights()}
    assert trunk
    assert all(moved[name] == 0 for name in trunk)
    behind = [name for name in moved if name.startswith("vision_model.blocks") and name not in trunk]
    # Adam moves a weight by about its learning rate in a step.
    assert all(0 < moved[name] < 1e-4 for name in behind)
    assert moved["vision_model.head.second.weight"] > 1e-4


def test_a_backbones_learning_rate_needs_a_backbone(catalogue: FolderCatalogue) -> None:
    captions = [caption for row in range(len(catalogue)) for caption in catalogue.captions(row)]
    tokenizer = train_tokenizer(captions, vocabulary_size=60)
    model = new_siglip(tiny_config(vocabulary=len(tokenizer)), seed=0)
    with pytest.raises(TrainingError, match="the picture tower is SigLIP's own"):
        train(model, tokenizer, catalogue, TrainingSettings(epochs=1, batch_size=4, backbone_learning_rate=1e-4))
    with pytest.raises(TrainingError, match="learning rate must be positive"):
        TrainingSettings(backbone_learning_rate=0.0)


def test_a_checkpoint_comes_back_whole_and_in_halves(
    lite_toml: Path, pictures: NDArray[np.uint8], tmp_path: Path
) -> None:
    model = lite_siglip(lite_toml)
    save_checkpoint(tmp_path / "run", model, train_tokenizer(["red box", "blue ball"] * 20, vocabulary_size=40))
    loaded = load_siglip(tmp_path / "run")
    towers = [Towers(each.eval(), bf16=False) for each in (model, loaded)]
    with torch.inference_mode():
        first, second = (each.pictures(torch.from_numpy(pictures[:2])) for each in towers)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not loaded.vision_model.stem.weight.requires_grad, "the trunk stays locked"
    assert loaded.vision_model.head.second.weight.requires_grad
    half, text = load_vision_tower(tmp_path / "run"), load_text_tower(tmp_path / "run")
    assert weights_sha256(half) == weights_sha256(model.vision_model)
    assert weights_sha256(text) == weights_sha256(model.text_model)
    assert weights_sha256(text) != weights_sha256(half)


def test_a_checkpoint_of_an_unknown_size_is_refused(lite_toml: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run", lite_siglip(lite_toml), train_tokenizer(["red box"] * 20, vocabulary_size=40))
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace(LITE0.name, "efficientnet-lite9"))
    with pytest.raises(CheckpointError, match="has the backbone 'efficientnet-lite9'; this release knows efficientnet"):
        load_siglip(tmp_path / "run")


def test_a_backbone_is_exported_in_fp32_and_static_int8_and_not_in_dynamic(
    lite_toml: Path, pictures: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = PixelsToUnitVector(lite_siglip(lite_toml).vision_model, random_projection(144))
    fp32, int8 = tmp_path / "fp32.onnx", tmp_path / "int8.onnx"
    write_onnx(module, fp32)
    expected = module.embed(pictures[:3])
    np.testing.assert_allclose(OnnxEncoder(fp32).embed(pictures[:3]), expected, atol=2e-4)
    write_precision(fp32, int8, Precision.INT8_STATIC, pictures[4:8])
    assert int8.stat().st_size < 0.4 * fp32.stat().st_size
    weights = {tensor.name: tensor.data_type for tensor in onnx.load(int8).graph.initializer}
    taken = [weights.get(node.input[1]) for node in onnx.load(int8).graph.node if node.op_type == "Conv"]
    assert taken[:8] == [onnx.TensorProto.FLOAT] * 8
    # The others' weights come through a DequantizeLinear.
    assert taken[8:] == [None] * (len(taken) - 8)
    corrected = OnnxEncoder(int8).embed(pictures[10:20])
    monkeypatch.setattr(ruiji_encoder.precisions, "correct_biases", lambda *_: None)
    write_precision(fp32, int8, Precision.INT8_STATIC, pictures[4:8])
    raw, exact = OnnxEncoder(int8).embed(pictures[10:20]), module.embed(pictures[10:20])
    lost, lost_without = (1 - (embedded * exact).sum(axis=1).mean() for embedded in (corrected, raw))
    assert lost < 0.8 * lost_without, "biases are corrected for the rounding of weights"
    with pytest.raises(ExportError, match="take int8-static"):
        write_precision(fp32, tmp_path / "dynamic.onnx", Precision.INT8, pictures[:1])


class _First:
    """The first pictures of another source."""

    def __init__(self, whole: FolderCatalogue, number: int) -> None:
        self._whole, self._number = whole, number

    def __len__(self) -> int:
        return self._number

    def pictures(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._whole.pictures(rows)

    def captions(self, row: int) -> tuple[str, ...]:
        return tuple(self._whole.captions(row))


def _with_vocabulary(toml: Path, pieces: int) -> LiteSiglipModel:
    start = read_from_scratch(toml)
    model = new_siglip(start.config(pieces), seed=0)
    assert isinstance(model, LiteSiglipModel)
    assert start.backbone is not None
    load_imagenet_weights(model.vision_model, start.backbone.weights)
    model.vision_model.lock_trunk()
    return model
