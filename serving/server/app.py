"""The server's life: load, open the ports, answer, watch for new versions, stop cleanly."""

import argparse
import asyncio
import contextlib
import dataclasses
import math
import signal
import time
from collections.abc import Callable
from pathlib import Path

import grpc
from google.protobuf import text_format
from tensorflow.core.protobuf import config_pb2

from serving import tracing, wire
from serving.server import configuration, flags, monitoring, rest, services, text_files, tls
from serving.server.api import Api
from serving.server.batching import Batcher, Limits
from serving.server.configuration import Configs, ModelConfig
from serving.server.inference import Answering
from serving.server.logs import log
from serving.server.manager import Loading, Manager
from serving.server.port import not_free
from serving.server.servable import Servable
from serving.server.status import StartError, StatusError
from serving.server.warmup import replay

GRACE_SECONDS = 30
# How long a server that says NOT_SERVING goes on serving, so that balancers can turn away.
LEAVE_SECONDS = 0.5
_OPTIONS = [
    ("grpc.max_receive_message_length", wire.MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", wire.MAX_MESSAGE_BYTES),
    # Clients may ask whether the server is still there, as often as every 10 s.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # A second server on the port must fail, not share it silently.
    ("grpc.so_reuseport", 0),
    # Calls that no handler has taken up yet: by default the surplus is CANCELLED. The queue of a
    # model has its own limit, which answers UNAVAILABLE.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
]


async def serve(args: argparse.Namespace) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the requests in flight.

    Prints one line with the address when ready.

    Args:
        args: the flags (see `flags.py`).

    Raises:
        StartError: the configuration cannot be read, a port is not free, or a signal came first.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for name, reason in flags.without_effect(args).items():
        log("warning", "flag", flag=f"--{name}", effect="none", reason=reason)
    read, roots = _configuration_of(args)
    path = args.model_config_file or args.models or args.model_base_path
    configs = configuration.first(read, path)
    metrics = monitoring.Monitoring()
    metrics_path: str | None = monitoring.PATH
    if args.monitoring_config_file:
        metrics_path = text_files.read_monitoring(args.monitoring_config_file)
        metrics_path = monitoring.PATH if metrics_path == "" else metrics_path
    checks = services.Health()
    manager = Manager(_loading(args, metrics), checks.model)
    how = Answering(
        as_content=args.enable_serialization_as_tensor_content,
        check_method=args.enable_signature_method_name_check,
    )
    roots = roots or sorted({config.base_path.parent for config in configs.values()})
    spans = _tracing(args)
    api = Api(manager, metrics, how=how, roots=roots, access_log=args.access_log, tracing=spans)
    loading = asyncio.create_task(_first_load(manager, configs))
    await _either(loading, stop)
    if stop.is_set():
        loading.cancel()
        await manager.close()
        raise StartError("Stopped before it served")
    server = grpc.aio.server(options=[*_OPTIONS, *args.grpc_channel_arguments])
    last_calls = services.LastCalls()
    services.add(server, api, checks, last_calls)
    async with contextlib.AsyncExitStack() as stack:
        if spans is not None:
            stack.push_async_callback(asyncio.to_thread, spans.close)
        stack.push_async_callback(manager.close)
        stack.callback(api.close)
        address = _open(server, args)
        await checks.start()
        await server.start()
        if args.rest_api_port:
            site = await rest.start(
                api,
                args.host,
                args.rest_api_port,
                seconds=args.rest_api_timeout_in_ms / 1000,
                cors=args.rest_api_enable_cors_support,
                metrics_path=metrics_path,
            )
            stack.push_async_callback(site.cleanup)
            print(f"REST API at {args.host}:{args.rest_api_port}", flush=True)
        watching = asyncio.create_task(_watch(args, manager, api, read, configs))
        print(f"Serving {len(manager.names())} model(s) at {address}", flush=True)
        await stop.wait()
        print(f"Stopping: finishing the requests in flight, {GRACE_SECONDS} s at most", flush=True)
        watching.cancel()
        api.leaving = True
        await checks.stop()
        await asyncio.sleep(LEAVE_SECONDS)
        checks.end_watches()
        await last_calls.stop(server, GRACE_SECONDS)
    print("Stopped", flush=True)


def _configuration_of(args: argparse.Namespace) -> tuple[Callable[[], Configs], list[Path]]:
    """Returns what reads the configuration, and the folders that callers may add models from."""
    if args.model_config_file:
        return configuration.of_file(args.model_config_file), []
    if args.model_base_path:
        config = ModelConfig(args.model_name, Path(args.model_base_path).absolute())
        return lambda: {config.name: config}, []
    return configuration.of_folder(args.models), [Path(args.models)]


def _tracing(args: argparse.Namespace) -> tracing.Tracing | None:
    if not args.otlp_endpoint:
        return None
    try:
        return tracing.exporting(args.otlp_endpoint)
    except ImportError as error:
        raise StartError(
            "--otlp_endpoint needs the otel extra. Install it from the clone: pip install"
            f" '.[otel]'. Received: {error}"
        ) from error


def _loading(args: argparse.Namespace, metrics: monitoring.Monitoring) -> Loading:
    session_config = _session_config(args)
    limits = _limits(args)

    def load(name: str, path: Path) -> Servable:
        servable = Servable(
            name,
            path,
            tags=args.saved_model_tags.split(","),
            allowed=args.allow_unsafe_ops,
            session_config=session_config,
        )
        if args.enable_model_warmup:
            _warm_up(servable, args.num_request_iterations_for_warmup, metrics)
        return servable

    def batcher(name: str) -> Batcher:
        return Batcher(limits, lambda metric, value: metrics.run(name, metric, value))

    return Loading(
        load,
        batcher,
        retries=args.max_num_load_retries,
        retry_seconds=max(0.0, args.load_retry_interval_micros / 1e6),
        threads=args.num_load_threads,
        labels_for_unavailable=args.allow_version_labels_for_unavailable_models,
    )


def _warm_up(servable: Servable, iterations: int, metrics: monitoring.Monitoring) -> None:
    begun = time.monotonic()
    status = "OK"
    try:
        if not replay(servable, iterations=iterations):
            return
    except StatusError as error:
        status = error.code.name
        servable.close()
        raise
    finally:
        metrics.warmed_up(str(servable.path), status, time.monotonic() - begun)


def _limits(args: argparse.Namespace) -> Limits:
    limits = Limits(
        batching=args.enable_batching,
        batch_rows=args.max_batch_size,
        request_rows=args.max_request_rows,
    )
    if not args.batching_parameters_file:
        return limits
    if not args.enable_batching:
        raise StartError(
            "--batching_parameters_file needs --enable_batching."
            f" Received: {args.batching_parameters_file} and --enable_batching=false"
        )
    batching = text_files.read_batching(args.batching_parameters_file)
    for field in batching.ignored:
        log("warning", "batching", field=field, effect="none")
    limits = dataclasses.replace(
        limits, batch_rows=batching.batch_rows, request_rows=batching.request_rows
    )
    if batching.waiting is not None:
        queue = batching.waiting * batching.batch_rows
        limits = dataclasses.replace(limits, queue=queue, queue_seconds=math.inf)
    return limits


def _session_config(args: argparse.Namespace) -> config_pb2.ConfigProto:
    config = config_pb2.ConfigProto()
    file = args.tensorflow_session_config_file
    if file:
        try:
            text_format.Parse(Path(file).read_text(encoding="utf-8"), config)
        except (OSError, ValueError, text_format.ParseError) as error:
            raise StartError(
                "--tensorflow_session_config_file must be a text proto ConfigProto. Received:"
                f" {file}: {' '.join(str(error).split())}"
            ) from error
    for name in ("intra_op", "inter_op"):
        threads = getattr(args, f"tensorflow_{name}_parallelism") or (
            args.tensorflow_session_parallelism
        )
        if threads:
            setattr(config, f"{name}_parallelism_threads", threads)
    if args.per_process_gpu_memory_fraction:
        config.gpu_options.per_process_gpu_memory_fraction = args.per_process_gpu_memory_fraction
    return config


async def _first_load(manager: Manager, configs: Configs) -> None:
    try:
        await manager.apply(configs)
    except StatusError as error:
        # A label of a version that cannot be loaded costs that label only.
        log("error", "configuration", message=error.message)
    for name in manager.names():
        for version in manager.versions(name):
            if version.servable is not None:
                keys = ", ".join(version.servable.signatures)
                print(f"Loaded {name}, version {version.number}: {keys}", flush=True)


async def _either(task: asyncio.Task, stop: asyncio.Event) -> None:
    """Returns when the task has ended, or the server is to stop."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        task.result()


def _open(server: grpc.aio.Server, args: argparse.Namespace) -> str:
    """Opens the port and the socket; returns the address of the port."""
    host = f"[{args.host}]" if ":" in args.host else args.host
    secure = tls.credentials(args.ssl_config_file) if args.ssl_config_file else None

    def listen(address: str) -> int:
        if secure is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, secure)

    try:
        port = listen(f"{host}:{args.port}")
    except RuntimeError as error:
        raise not_free(args.host, args.port) from error
    if args.grpc_socket_path:
        try:
            listen(f"unix:{args.grpc_socket_path}")
        except RuntimeError as error:
            raise StartError(
                "--grpc_socket_path must be a path where a socket can be made. Received:"
                f" {args.grpc_socket_path}"
            ) from error
    return f"{host}:{port}"


async def _watch(
    args: argparse.Namespace,
    manager: Manager,
    api: Api,
    read: Callable[[], Configs],
    configs: Configs,
) -> None:
    """Polls the base paths, and the configuration where it is a folder or a polled file."""
    seconds = args.file_system_poll_wait_seconds
    tasks = []
    if seconds:
        tasks.append(_repeat(seconds, manager.poll))
    if not args.model_config_file and not args.model_base_path:
        config_seconds = seconds
    else:
        config_seconds = args.model_config_file_poll_wait_seconds if args.model_config_file else 0
    if config_seconds:
        tasks.append(_repeat(config_seconds, _look_for_models(args, manager, api, read, configs)))
    await asyncio.gather(*tasks)


async def _repeat(seconds: float, step: Callable) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await step()
        except Exception as error:  # a poll that fails is not the last one
            log("error", "poll", message=f"{type(error).__name__}: {error}")


def _with_folder(configs: Configs) -> Configs:
    return {name: config for name, config in configs.items() if config.base_path.is_dir()}


def _look_for_models(args, manager: Manager, api: Api, read, configs: Configs) -> Callable:
    known, problem = configs, ""

    async def look() -> None:
        nonlocal known, problem
        if api.reloaded and not args.model_config_file:
            return  # a caller's configuration took the place of the folder
        try:
            now = await asyncio.to_thread(read)  # the disk may be slow, or far away
        except (StatusError, OSError) as error:
            if str(error) != problem:
                log("error", "configuration", message=str(error))
            problem = str(error)
            return
        problem = ""
        if not args.model_config_file:
            # A model whose versions are all gone stays, as long as its folder does.
            now = {**await asyncio.to_thread(_with_folder, known), **now}
        if now != known:
            known = now
            log("info", "configuration", models=",".join(sorted(now)))
            try:
                await manager.apply(now)
            except StatusError as error:
                log("error", "configuration", message=error.message)

    return look
