"""TF Serving's small text protos whose definitions its Python package lacks."""

import dataclasses
from pathlib import Path
from typing import Any

from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,  # noqa: F401  (the pool must know it)
)

from serving.server.status import StartError

_Field = descriptor_pb2.FieldDescriptorProto
_INT64 = ".google.protobuf.Int64Value"
_MESSAGES: dict[str, list[tuple[str, int, str, bool]]] = {
    # name: (field, number, type, repeated)
    "SSLConfig": [
        ("server_key", 1, "string", False),
        ("server_cert", 2, "string", False),
        ("custom_ca", 3, "string", False),
        ("client_verify", 4, "bool", False),
    ],
    "PrometheusConfig": [("enable", 1, "bool", False), ("path", 2, "string", False)],
    "MonitoringConfig": [("prometheus_config", 1, "PrometheusConfig", False)],
    "BatchingParameters": [
        ("max_batch_size", 1, _INT64, False),
        ("batch_timeout_micros", 2, _INT64, False),
        ("num_batch_threads", 3, _INT64, False),
        ("thread_pool_name", 4, ".google.protobuf.StringValue", False),
        ("max_enqueued_batches", 5, _INT64, False),
        ("allowed_batch_sizes", 6, "int64", True),
        ("pad_variable_length_inputs", 7, "bool", False),
        ("enable_large_batch_splitting", 8, ".google.protobuf.BoolValue", False),
        ("max_execution_batch_size", 9, _INT64, False),
    ],
}


def _classes() -> dict[str, type]:
    file = descriptor_pb2.FileDescriptorProto(
        name="serving/text_files.proto", package="serving.text_files", syntax="proto3"
    )
    file.dependency.append("google/protobuf/wrappers.proto")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind, repeated in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            if kind in ("string", "bool", "int64"):
                field.type = getattr(_Field, f"TYPE_{kind.upper()}")
            else:
                field.type = _Field.TYPE_MESSAGE
                local = f".serving.text_files.{kind}"
                field.type_name = kind if kind.startswith(".") else local
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"serving.text_files.{name}")
        )
        for name in _MESSAGES
    }


_CLASSES = _classes()


def _read(path: str, name: str, flag: str):
    try:
        return text_format.Parse(Path(path).read_text(encoding="utf-8"), _CLASSES[name]())
    except (OSError, ValueError, text_format.ParseError) as error:
        raise StartError(
            f"{flag} must be a text proto {name}. Received: {path}: {' '.join(str(error).split())}"
        ) from error


@dataclasses.dataclass(frozen=True)
class Certificates:
    """PEM texts of a server: its key and chain, and the CA that its callers' must be signed by."""

    key: bytes
    chain: bytes
    ca: bytes | None
    client_verify: bool


def read_ssl(path: str) -> Certificates:
    """Reads `--ssl_config_file`: the PEM texts stand in it.

    Raises:
        StartError: it cannot be read, or lacks a key, a certificate or a CA that it needs.
    """
    config = _read(path, "SSLConfig", "--ssl_config_file")
    if not config.server_key or not config.server_cert:
        raise StartError(
            f"--ssl_config_file must hold server_key and server_cert. Received: {path}"
        )
    if config.client_verify and not config.custom_ca:
        raise StartError(
            "--ssl_config_file must hold the custom_ca that client certificates are verified with."
            f" Received: client_verify: true without it, in {path}"
        )
    return Certificates(
        config.server_key.encode(),
        config.server_cert.encode(),
        config.custom_ca.encode() or None,
        config.client_verify,
    )


def read_monitoring(path: str) -> str | None:
    """Reads `--monitoring_config_file`; returns the path of the metrics, or None for none.

    Raises:
        StartError: it cannot be read.
    """
    prometheus = _read(path, "MonitoringConfig", "--monitoring_config_file").prometheus_config
    return (prometheus.path or "") if prometheus.enable else None


@dataclasses.dataclass(frozen=True)
class Batching:
    """What a batching file says.

    Attributes:
        request_rows: the most rows of one request, `max_batch_size`.
        batch_rows: the most rows of one run: `max_execution_batch_size` if large requests are
            split, and otherwise `max_batch_size`.
        waiting: batches that may wait; None for the default.
        ignored: fields that are set and have no effect here.
    """

    request_rows: int
    batch_rows: int
    waiting: int | None
    ignored: tuple[str, ...]


# Fields that this server has no use for.
_UNUSED = ("batch_timeout_micros", "num_batch_threads", "pad_variable_length_inputs")


def read_batching(path: str) -> Batching:
    """Reads `--batching_parameters_file`.

    Raises:
        StartError: it cannot be read, or its sizes do not fit one another.
    """
    config = _read(path, "BatchingParameters", "--batching_parameters_file")
    given = {field.name for field, _ in config.ListFields()}
    largest = config.max_batch_size.value if "max_batch_size" in given else 1000
    name, run = "max_batch_size", largest
    if config.enable_large_batch_splitting.value and "max_execution_batch_size" in given:
        name, run = "max_execution_batch_size", config.max_execution_batch_size.value
    if not 1 <= run <= largest:
        raise StartError(
            "max_batch_size and max_execution_batch_size must be at least 1, and the second at most"
            f" the first. Received: {largest} and {run} in {path}"
        )
    sizes = list(config.allowed_batch_sizes)
    if sizes and (sizes != sorted(set(sizes)) or sizes[-1] != run):
        raise StartError(
            f"allowed_batch_sizes must increase, and end with {name}."
            f" Received: {sizes} and {run} in {path}"
        )
    return Batching(
        largest,
        run,
        config.max_enqueued_batches.value if "max_enqueued_batches" in given else None,
        tuple(field for field in _UNUSED if _says_something(config, field)),
    )


def _says_something(config: Any, field: str) -> bool:
    value = getattr(config, field)
    return bool(getattr(value, "value", value))  # most are wrapped
