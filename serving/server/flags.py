"""The flags of `python -m serving`: TF Serving's, by its names, and a few of our own.

Each flag of TF Serving is taken, taken without an effect, or refused with the reason.
"""

import argparse
import os
from collections.abc import Callable

from serving.parsing import Parser, boolean, integer

# Flags that would change nothing here: name -> why.
_WITHOUT_EFFECT = {
    "rest_api_num_threads": "one event loop serves the REST API",
    "grpc_max_threads": "one event loop serves the gRPC API",
    "num_unload_threads": "versions unload in the threads that load them",
    "flush_filesystem_caches": "the operating system drops its caches itself",
    "remove_unused_fields_from_bundle_metagraph": "they are not kept",
    "enable_grpc_healthcheck_service": "it is always on",
    "skip_initialize_tpu": "there is no TPU",
}
_TFLITE = "only SavedModels are served"
_XLA = "the models' own graphs say where XLA compiles"
# Flags that ask for what this server does not do: name -> why.
_REFUSED = {
    "platform_config_file": "the only platform is tensorflow",
    "use_alts_credentials": "ALTS works on Google Cloud alone; use --ssl_config_file",
    "prefer_tflite_model": _TFLITE,
    "num_tflite_pools": _TFLITE,
    "num_tflite_interpreters_per_pool": _TFLITE,
    "xla_cpu_compilation_enabled": _XLA,
    "xla_gpu_compilation_enabled": _XLA,
    "enable_profiler": "it has no profiler service; profile with TF Serving",
    "thread_pool_factory_config_file": "a model has one thread, and TensorFlow its own pools",
    "mixed_precision": "a graph runs with the types that it was exported with",
    "enable_per_model_batching_parameters": "batches need no parameters of a model",
}


def parser(description: str | None) -> Parser:
    """Returns the parser of the command line."""
    parser = Parser("serving", description)
    _add_models(parser)
    _add_network(parser)
    _add_batching(parser)
    _add_runtime(parser)
    for name in _WITHOUT_EFFECT:
        parser.add_argument(f"--{name}", nargs="?", const="true", help=argparse.SUPPRESS)
    for name, reason in _REFUSED.items():
        parser.add_argument(
            f"--{name}", nargs="?", const="true", type=_refuse(reason), help=argparse.SUPPRESS
        )
    return parser


def without_effect(args: argparse.Namespace) -> dict[str, str]:
    """Returns the flags that were given and change nothing, with the reason."""
    return {
        name: reason for name, reason in _WITHOUT_EFFECT.items() if getattr(args, name) is not None
    }


def _add_models(parser: Parser) -> None:
    models = parser.add_argument_group("models")
    _add_path(models, "models", "DIR", "folder of <model>/<version>/ SavedModels")
    _add_path(models, "model_base_path", "DIR", "folder of <version>/, to serve one model alone")
    models.add_argument(
        "--model_name",
        default="default",
        metavar="NAME",
        help="that model's name for clients (default: %(default)s)",
    )
    _add_path(models, "model_config_file", "FILE", "text proto of models, versions and labels")
    models.add_argument(
        "--model_config_file_poll_wait_seconds",
        type=integer(0),
        default=0,
        metavar="N",
        help="read that file again every N seconds; 0: once (default: 0)",
    )
    models.add_argument(
        "--file_system_poll_wait_seconds",
        type=integer(0),
        default=1,
        metavar="N",
        help="look for new versions every N seconds; 0: once (default: 1)",
    )
    models.add_argument(
        "--max_num_load_retries",
        type=integer(0),
        default=5,
        metavar="N",
        help="how often a failed load is tried again (default: 5)",
    )
    models.add_argument(
        "--load_retry_interval_micros",
        type=int,
        default=60_000_000,
        metavar="N",
        help="microseconds between tries (default: a minute)",
    )
    models.add_argument(
        "--num_load_threads",
        type=integer(0),
        default=1,
        metavar="N",
        help="versions that load at a time (default: 1)",
    )
    _add_boolean(
        models,
        "allow_version_labels_for_unavailable_models",
        False,
        "let new labels point at versions that are not available",
    )
    _add_boolean(models, "enable_model_warmup", True, "replay the requests of a SavedModel")
    models.add_argument(
        "--num_request_iterations_for_warmup",
        type=integer(1),
        default=1,
        metavar="N",
        help="how often each is replayed (default: 1)",
    )
    models.add_argument(
        "--saved_model_tags",
        default="serve",
        metavar="TAG,TAG",
        help="which graph of a SavedModel is loaded (default: %(default)s)",
    )
    models.add_argument(
        "--allow_unsafe_ops",
        type=lambda text: frozenset(filter(None, text.split(","))),
        default=frozenset(),
        metavar="OP,OP",
        help="operations that may run although they reach files, the network or Python",
    )


def _add_network(parser: Parser) -> None:
    network = parser.add_argument_group("network")
    network.add_argument(
        "--port",
        type=integer(0, 65535),
        default=8500,
        metavar="N",
        help="port of the gRPC API; 0 takes a free one (default: %(default)s)",
    )
    network.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 answers other machines too (default: %(default)s)",
    )
    network.add_argument(
        "--rest_api_port",
        type=integer(0, 65535),
        default=0,
        metavar="N",
        help="port of the REST API and of the metrics; 0: none (default: 0)",
    )
    network.add_argument(
        "--rest_api_timeout_in_ms",
        type=integer(1),
        default=30_000,
        metavar="N",
        help="time that a REST call may take (default: %(default)s)",
    )
    _add_boolean(network, "rest_api_enable_cors_support", False, "send CORS headers")
    _add_path(
        network, "grpc_socket_path", "PATH", "UNIX socket for the gRPC API, in addition to its port"
    )
    network.add_argument(
        "--grpc_channel_arguments",
        type=_channel_arguments,
        default=[],
        metavar="KEY=VALUE,...",
        help="arguments of the gRPC server, such as grpc.max_connection_age_ms=2000",
    )
    _add_path(network, "ssl_config_file", "FILE", "text proto SSLConfig: TLS for the gRPC API")
    _add_path(network, "monitoring_config_file", "FILE", "text proto MonitoringConfig")
    network.add_argument(
        "--otlp_endpoint",
        metavar="URL",
        help="OpenTelemetry collector that gets a span of each call, such as http://localhost:4317",
    )
    _add_boolean(network, "access_log", False, "log every call, not only those that fail")
    _add_boolean(
        network,
        "enable_serialization_as_tensor_content",
        False,
        "write tensors of answers to tensor_content",
    )
    _add_boolean(
        network,
        "enable_signature_method_name_check",
        False,
        "check the method name of the signature in Classify and Regress",
    )
    network.add_argument(
        "--version",
        action="store_true",
        help="print the versions of gan-zoo and TensorFlow, and exit",
    )


def _add_batching(parser: Parser) -> None:
    batching = parser.add_argument_group("batching")
    _add_boolean(batching, "enable_batching", True, "join waiting requests into batches")
    batching.add_argument(
        "--max_batch_size",
        type=integer(1),
        default=32,
        metavar="N",
        help="largest number of rows in a batch (default: %(default)s)",
    )
    batching.add_argument(
        "--max_request_rows",
        type=integer(1),
        default=2**16,
        metavar="N",
        help="largest number of rows in a request that runs in batches (default: %(default)s)",
    )
    _add_path(
        batching,
        "batching_parameters_file",
        "FILE",
        "text proto BatchingParameters; its sizes replace those above",
    )


def _add_runtime(parser: Parser) -> None:
    runtime = parser.add_argument_group("TensorFlow")
    for name, text in (
        ("session", "threads of all pools"),
        ("intra_op", "threads of one operation"),
        ("inter_op", "operations that run at a time"),
    ):
        runtime.add_argument(
            f"--tensorflow_{name}_parallelism",
            type=integer(0),
            default=0,
            metavar="N",
            help=f"{text}; 0: as many as there are cores (default: 0)",
        )
    _add_path(runtime, "tensorflow_session_config_file", "FILE", "text proto ConfigProto")
    runtime.add_argument(
        "--per_process_gpu_memory_fraction",
        type=_fraction,
        default=0.0,
        metavar="X",
        help="share of a GPU's memory, from 0 (TensorFlow decides) to 1 (default: 0)",
    )


def _add_path(group, name: str, metavar: str, text: str) -> None:
    """A path; shells do not expand the ~ behind an equals sign."""
    group.add_argument(f"--{name}", type=os.path.expanduser, metavar=metavar, help=text)


def _add_boolean(group, name: str, default: bool, text: str) -> None:
    """A flag as `--name`, `--name=true`, `--name=false` or `--noname`."""
    group.add_argument(
        f"--{name}",
        type=boolean,
        nargs="?",
        const=True,
        default=default,
        metavar="true|false",
        help=f"{text}; --no{name} does not (default: {str(default).lower()})",
    )
    group.add_argument(
        f"--no{name}",
        dest=name,
        action="store_false",
        default=argparse.SUPPRESS,
        help=argparse.SUPPRESS,
    )


def _refuse(reason: str) -> Callable[[str], None]:
    def parse(text: str) -> None:
        if text.lower() in ("false", "0", ""):  # as without the flag
            return
        raise argparse.ArgumentTypeError(f"is not supported: {reason}. Received: {text!r}")

    return parse


def _channel_arguments(text: str) -> list[tuple[str, int | str]]:
    arguments: list[tuple[str, int | str]] = []
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not key or not equals:
            raise argparse.ArgumentTypeError(f"must be KEY=VALUE,... Received: {text!r}")
        arguments.append((key, int(value) if value.lstrip("-").isdecimal() else value))
    return arguments


def _fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1. Received: {text!r}")
    return value
