"""What an ONNX file demands of whoever loads it, read without the onnx package.

Serving machines have ONNX Runtime but not onnx, and ONNX Runtime does not tell IR version and opsets. So the two fields
of `ModelProto` that say it are described to protobuf here; all others are skipped as unknown ones. Field numbers from
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, which never changes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from ruiji_triton.errors import RepositoryError

if TYPE_CHECKING:
    from pathlib import Path

_PACKAGE = "ruiji_triton.onnx"


@dataclass(frozen=True, slots=True)
class OnnxHeader:
    """The versions that an ONNX file is written in."""

    ir_version: int
    """Version of the file format."""
    opsets: dict[str, int]
    """Version of each operator set by domain; the standard one is the empty string."""


def read_onnx_header(path: Path) -> OnnxHeader:
    """Read the versions; takes as much memory as the file is large, for a moment.

    Raises:
        RepositoryError: the file is missing or no ONNX file.
    """
    model = message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.ModelProto"))()
    try:
        model.ParseFromString(path.read_bytes())
    except FileNotFoundError as error:
        raise RepositoryError(f"{path} is missing: export the encoder again") from error
    except message.DecodeError as error:
        raise RepositoryError(f"{path} is not an ONNX file: export the encoder again") from error
    return _header(model, path)


def _header(model: Any, path: Path) -> OnnxHeader:  # noqa: ANN401  (the class is made at run time)
    # ONNX writes the standard operators as domain "" or "ai.onnx"; one of the two has to be there.
    opsets = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import}
    if not model.ir_version or "" not in opsets:
        raise RepositoryError(f"{path} is not an ONNX file: export the encoder again")
    return OnnxHeader(ir_version=model.ir_version, opsets=opsets)


def _pool() -> descriptor_pool.DescriptorPool:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="ruiji_triton/onnx_header.proto", package=_PACKAGE, syntax="proto3")
    opset = file.message_type.add(name="OperatorSetIdProto")
    opset.field.add(name="domain", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    opset.field.add(name="version", number=2, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    model = file.message_type.add(name="ModelProto")
    model.field.add(name="ir_version", number=1, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    model.field.add(
        name="opset_import",
        number=8,
        type=field.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.OperatorSetIdProto",
        label=field.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
