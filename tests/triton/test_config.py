"""The two configurations of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from ruiji_encoding.manifest import EncoderManifest, Parity, Precision, encoder_id_of
from ruiji_triton.config import Engine, ModelSettings, config_text, model_config
from ruiji_triton.cpu_engine import CpuEngine
from ruiji_triton.errors import SettingsError
from tritonclient.grpc import model_config_pb2 as pb

GOLDEN = Path(__file__).parent / "golden"

PARTS = {"weights_sha256": "a" * 64, "projection_sha256": "b" * 64, "preprocessing": "squash-256-v1"}
MANIFEST = EncoderManifest(
    encoder_id=encoder_id_of(precision=Precision.INT8, **PARTS),
    name="golden",
    checkpoint="none",
    dimensions=128,
    precision=Precision.INT8,
    explained_variance=0.9,
    fitted_on="nothing",
    model_sha256="c" * 64,
    parity=Parity(pictures=1, batch_sizes=(1,), min_cosine=1.0, limit=0.999),
    **PARTS,
)


@pytest.mark.parametrize(("engine", "file"), [(Engine.PYTHON, "embedded"), (Engine.ONNXRUNTIME, "container")])
def test_configuration_is_the_reviewed_one(engine: Engine, file: str) -> None:
    written = model_config(MANIFEST, engine, ModelSettings())
    reviewed = text_format.Parse((GOLDEN / f"{file}.pbtxt").read_text(encoding="utf-8"), pb.ModelConfig())
    assert config_text(written) == config_text(reviewed)


def test_all_engines_describe_one_model() -> None:
    settings = ModelSettings(max_batch_size=32, max_queue_delay_us=7, instances=3, intra_op_threads=2)
    configs = [model_config(MANIFEST, engine, settings) for engine in Engine]
    for config in configs:
        for own in ("backend", "platform", "default_model_filename"):
            config.ClearField(own)
        config.parameters.pop("engine", None)
        for group in config.instance_group:
            group.ClearField("kind")
    assert configs[1:] == configs[:-1]


def test_text_form_loses_nothing() -> None:
    for engine in Engine:
        config = model_config(MANIFEST, engine, ModelSettings())
        assert text_format.Parse(config_text(config), pb.ModelConfig()) == config


def test_queue_has_no_limits_unless_asked_for() -> None:
    """Any limit lets Triton keep a lone request waiting for half a second now and then."""
    config = model_config(MANIFEST, Engine.PYTHON, ModelSettings())
    assert config.HasField("dynamic_batching")
    assert not config.dynamic_batching.HasField("default_queue_policy")


def test_settings_reach_the_configuration() -> None:
    settings = ModelSettings(
        max_batch_size=16,
        max_queue_delay_us=500,
        max_queue_requests=9,
        queue_timeout_s=1.5,
        warmup_batch_sizes=(4,),
        instances=2,
        intra_op_threads=3,
        cpu_engine=CpuEngine.OPENVINO,
    )
    config = model_config(MANIFEST, Engine.PYTHON, settings)
    policy = config.dynamic_batching.default_queue_policy
    assert config.max_batch_size == 16
    assert config.dynamic_batching.max_queue_delay_microseconds == 500
    assert (policy.max_queue_size, policy.default_timeout_microseconds) == (9, 1_500_000)
    assert [sample.batch_size for sample in config.model_warmup] == [4]
    assert config.instance_group[0].count == 2
    assert config.parameters["intra_op_thread_count"].string_value == "3"
    assert config.parameters["engine"].string_value == "openvino"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_batch_size", 0),
        ("instances", 0),
        ("max_queue_requests", 0),
        ("max_queue_delay_us", -1),
        ("intra_op_threads", -1),
        ("queue_timeout_s", 0.0),
        ("queue_timeout_s", float("nan")),
        ("warmup_batch_sizes", (1, 65)),
    ],
)
def test_setting_outside_its_range_is_refused_by_name(
    field: str,
    value: Any,
) -> None:
    with pytest.raises(SettingsError, match=field):
        ModelSettings(**{field: value})
