"""Every flag of TF Serving is taken, or refused by name with the reason."""

import pytest

from serving.__main__ import _parser
from serving.server import app, flags, text_files
from serving.server.status import StartError

# Of main.cc, 2.20: name -> a value.
TAKEN = {
    "port": "8500",
    "grpc_socket_path": "/tmp/socket",
    "rest_api_port": "8501",
    "rest_api_num_threads": "8",
    "rest_api_timeout_in_ms": "30000",
    "rest_api_enable_cors_support": "true",
    "enable_batching": "true",
    "allow_version_labels_for_unavailable_models": "true",
    "batching_parameters_file": "f",
    "model_config_file": "f",
    "model_config_file_poll_wait_seconds": "60",
    "model_name": "m",
    "model_base_path": "/m",
    "num_load_threads": "2",
    "num_unload_threads": "2",
    "max_num_load_retries": "0",
    "load_retry_interval_micros": "-1",
    "file_system_poll_wait_seconds": "0",
    "flush_filesystem_caches": "true",
    "tensorflow_session_parallelism": "2",
    "tensorflow_session_config_file": "f",
    "tensorflow_intra_op_parallelism": "2",
    "tensorflow_inter_op_parallelism": "2",
    "ssl_config_file": "f",
    "per_process_gpu_memory_fraction": ".5",
    "saved_model_tags": "serve",
    "grpc_channel_arguments": "grpc.max_connection_age_ms=2000,grpc.x=y",
    "grpc_max_threads": "9",
    "enable_model_warmup": "false",
    "num_request_iterations_for_warmup": "2",
    "version": None,
    "monitoring_config_file": "f",
    "remove_unused_fields_from_bundle_metagraph": "true",
    "enable_signature_method_name_check": "true",
    "skip_initialize_tpu": "true",
    "enable_grpc_healthcheck_service": "true",
    "enable_serialization_as_tensor_content": "true",
}
REFUSED = [
    "use_alts_credentials",
    "platform_config_file",
    "enable_per_model_batching_parameters",
    "prefer_tflite_model",
    "num_tflite_pools",
    "num_tflite_interpreters_per_pool",
    "xla_cpu_compilation_enabled",
    "xla_gpu_compilation_enabled",
    "enable_profiler",
    "thread_pool_factory_config_file",
    "mixed_precision",
]


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name):
    value = TAKEN[name]
    args = _parser().parse_args([f"--{name}" if value is None else f"--{name}={value}"])
    assert getattr(args, name) not in (None, [])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name, capsys):
    with pytest.raises(SystemExit):
        _parser().parse_args([f"--{name}=1"])
    error = capsys.readouterr().err
    assert error.startswith(f"serving: --{name} is not supported: ")
    assert error.count("\n") == 1
    _parser().parse_args([f"--{name}=false"])  # its default


def test_flags_without_an_effect_are_told():
    args = _parser().parse_args(["--grpc_max_threads=4", "--flush_filesystem_caches"])
    assert flags.without_effect(args) == {
        "grpc_max_threads": "one event loop serves the gRPC API",
        "flush_filesystem_caches": "the operating system drops its caches itself",
    }


def test_grpc_arguments_are_numbers_or_text():
    args = _parser().parse_args(["--grpc_channel_arguments=grpc.a=2000,grpc.b=c"])
    assert args.grpc_channel_arguments == [("grpc.a", 2000), ("grpc.b", "c")]


def _file(tmp_path, text):
    path = tmp_path / "file"
    path.write_text(text)
    return str(path)


def test_a_batching_file(tmp_path):
    """Text proto with wrapped values."""
    text = """max_batch_size { value: 128 } batch_timeout_micros { value: 0 }
      num_batch_threads { value: 4 } max_enqueued_batches { value: 10 }
      allowed_batch_sizes: 64 allowed_batch_sizes: 128"""
    assert text_files.read_batching(_file(tmp_path, text)) == text_files.Batching(
        request_rows=128, batch_rows=128, waiting=10, ignored=("num_batch_threads",)
    )


def test_a_batching_file_that_splits(tmp_path):
    """`max_batch_size` is the limit of a request, `max_execution_batch_size` that of a run."""
    text = """max_batch_size { value: 128 } enable_large_batch_splitting { value: true }
      max_execution_batch_size { value: 32 } batch_timeout_micros { value: 500 }
      pad_variable_length_inputs: true allowed_batch_sizes: 8 allowed_batch_sizes: 32"""
    assert text_files.read_batching(_file(tmp_path, text)) == text_files.Batching(
        request_rows=128,
        batch_rows=32,
        waiting=None,
        ignored=("batch_timeout_micros", "pad_variable_length_inputs"),
    )
    file = _file(tmp_path, text)
    limits = app._limits(_parser().parse_args(["--models=x", f"--batching_parameters_file={file}"]))
    assert (limits.request_rows, limits.batch_rows) == (128, 32)
    with pytest.raises(StartError, match="needs --enable_batching. Received: .*=false"):
        app._limits(
            _parser().parse_args(
                ["--models=x", f"--batching_parameters_file={file}", "--enable_batching=false"]
            )
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "max_batch_size { value: 128 } allowed_batch_sizes: 64",
            r"allowed_batch_sizes must increase, and end with max_batch_size. Received: \[64\] and",
        ),
        ("max_batch_size: 128", "--batching_parameters_file must be a text proto BatchingParam"),
        ("max_batch_size { value: 0 }", "must be at least 1, .* Received: 0 and 0"),
        (
            "max_batch_size { value: 8 } enable_large_batch_splitting { value: true }"
            " max_execution_batch_size { value: 9 }",
            "the second at most the first. Received: 8 and 9",
        ),
    ],
)
def test_batching_files_that_are_refused(tmp_path, text, message):
    """The last allowed size equals the maximum."""
    with pytest.raises(StartError, match=message):
        text_files.read_batching(_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("prometheus_config { enable: true }", ""),
        ('prometheus_config { enable: true path: "/metrics" }', "/metrics"),
        ("", None),
    ],
)
def test_a_monitoring_file(tmp_path, text, path):
    assert text_files.read_monitoring(_file(tmp_path, text)) == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--ssl_config_file must hold server_key and server_cert. Received: "),
        (
            'server_key: "k" server_cert: "c" client_verify: true',
            "must hold the custom_ca that client certificates are verified with",
        ),
    ],
)
def test_ssl_files_that_are_refused(tmp_path, text, message):
    with pytest.raises(StartError, match=message):
        text_files.read_ssl(_file(tmp_path, text))


def test_a_leading_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells do not expand it behind an equals sign."""
    monkeypatch.setenv("HOME", "/home/someone")
    for flag in ("models", "model_base_path", "model_config_file", "grpc_socket_path"):
        assert getattr(_parser().parse_args([f"--{flag}=~/x"]), flag) == "/home/someone/x"
