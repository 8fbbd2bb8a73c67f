"""Selects the training devices: one, all of this machine, or those of several machines."""

import faulthandler
import functools
import re
import signal
import threading
from collections.abc import Callable, Sequence

import tensorflow as tf

from trainers import cluster
from trainers.run import STRATEGIES, WORKER_TIMEOUT_S

# (index, count): which of `count` workers, from 0; passed to `make_batches` of `distribute`.
Share = tuple[int, int]


def make_strategy(
    name: str, *, worker_timeout_s: float = WORKER_TIMEOUT_S
) -> tf.distribute.Strategy:
    """A distribution strategy by name. With several workers, call it before using TensorFlow.

    Args:
        name: "one" device; "mirrored" over all GPUs, or all logical CPU devices without a GPU;
            "multi_worker" over several machines, from `cluster.find_cluster`; "auto": multi_worker
            if TF_CONFIG or Slurm describes more than one worker, else mirrored with two or more
            GPUs, else one.
        worker_timeout_s: How long workers wait for each other.

    Raises:
        ValueError: An unknown name, or a missing or invalid description of the cluster.
        TimeoutError: A worker did not answer in time.
        OSError: The port of this worker is in use.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}. Received: {name!r}.")
    # Listing logical devices initialises TensorFlow, after which it cannot join a cluster.
    if name == "multi_worker" or (name == "auto" and cluster.describes_several()):
        return _multi_worker(worker_timeout_s)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "one" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    return mirrored(gpus or tf.config.list_logical_devices("CPU"))


def mirrored(devices: Sequence[tf.config.LogicalDevice]) -> tf.distribute.MirroredStrategy:
    """MirroredStrategy over the given devices.

    On CPUs it reduces on one device: TensorFlow's collectives restart their numbering in every
    strategy, so a second strategy in the same process gets the shapes of the first and fails.
    """
    on_cpu = devices[0].device_type == "CPU"
    return tf.distribute.MirroredStrategy(
        [device.name for device in devices],
        cross_device_ops=tf.distribute.ReductionToOneDevice() if on_cpu else None,
    )


def _multi_worker(timeout_s: float) -> tf.distribute.MultiWorkerMirroredStrategy:
    if timeout_s <= 0:
        raise ValueError(f"worker_timeout must be above 0 seconds. Received: {timeout_s:g}.")
    members = cluster.find_cluster()
    cluster.meet(members, timeout_s)
    gpus = len(tf.config.list_physical_devices("GPU"))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(members.addresses)}),
        task_type="worker",
        task_id=members.index,
        num_accelerators={"GPU": gpus},
        rpc_layer="grpc",
    )
    # If a worker is lost at this moment, TensorFlow waits forever, in a call that neither Ctrl-C
    # nor SIGTERM nor another thread can interrupt. This timer can; it prints a traceback.
    faulthandler.dump_traceback_later(timeout_s, exit=True)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    finally:
        faulthandler.cancel_dump_traceback_later()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # TensorFlow disabled the handler


def worker(strategy: tf.distribute.Strategy) -> Share:
    """(index of this worker, number of workers); (0, 1) on one machine."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 0, 1
    resolver = strategy.cluster_resolver
    return resolver.task_id, resolver.cluster_spec().num_tasks("worker")


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process is the one that writes files and progress."""
    return worker(strategy)[0] == 0


def distribute(
    strategy: tf.distribute.Strategy, make_batches: Callable[[Share], tf.data.Dataset]
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Input of `fit`: the global batches on one machine, each worker's own rows on several.

    Replica r of R gets rows r * B / R ... (r + 1) * B / R of a global batch B, no matter how the
    replicas are distributed over workers.

    Args:
        strategy: From `make_strategy`.
        make_batches: Maps (index, count) to batches of that worker's rows, all of one size:
            `data.batches` with `share=(index, count)`.
    """
    if worker(strategy)[1] == 1:
        return make_batches((0, 1))  # Keras splits them over the replicas
    local = strategy.num_replicas_in_sync // worker(strategy)[1]

    def rows_of_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
        batches = make_batches((context.input_pipeline_id, context.num_input_pipelines))
        rows = tf.nest.flatten(batches.element_spec)[0].shape[0]
        return batches.rebatch(rows // local, drop_remainder=True)

    return strategy.distribute_datasets_from_function(rows_of_worker)


def agree(strategy: tf.distribute.Strategy, flag: bool) -> bool:
    """Whether `flag` is true on any worker. Every worker must call it at the same point.

    It is also a barrier: no worker returns before all have called it.
    """
    return sum_over_workers(strategy, int(flag)) > 0


def sum_over_workers(strategy: tf.distribute.Strategy, value: int) -> int:
    """The sum of every worker's `value`; all of them must call it at the same point."""
    if worker(strategy)[1] == 1:
        return value
    return int(_summing(strategy)(tf.constant(value, tf.int64)))


@functools.cache
def _summing(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(
        lambda value: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None),
        input_signature=[tf.TensorSpec([], tf.int64)],
        autograph=False,
    )


# Errors that TensorFlow raises in the remaining workers.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


def lost_worker(strategy: tf.distribute.Strategy, error: Exception) -> str | None:
    """One line that names the lost worker; None if `error` is not about a lost worker.

    TensorFlow raises the error on every other worker: at once if a connection breaks in the middle
    of a sum, otherwise after 10 s without a heartbeat.

    Args:
        strategy: The strategy of the run.
        error: The exception from `fit` or `agree`.
    """
    _, count = worker(strategy)
    if count == 1 or not isinstance(error, _LOST):
        return None
    _, aborted, cause = str(error).partition("Collective ops is aborted by: ")
    if not aborted and not isinstance(error, tf.errors.UnavailableError):
        return None
    # Skip device names, which name this worker: /job:worker/replica:0/task:0/device:CPU:0
    task = re.search(r"/job:worker/(?:replica:0/)?task:(\d+)(?!\d|/device)", cause or str(error))
    who = "A worker"
    if task and int(task[1]) < count:
        address = strategy.cluster_resolver.cluster_spec().task_address("worker", int(task[1]))
        who = f"Worker {task[1]} at {address}"
    return (
        f"{who} was lost: it no longer answers, and training needs all {count}. Its own output "
        "says why. Start the same command on every worker: it resumes from the last checkpoint."
    )
