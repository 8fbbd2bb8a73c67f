"""Which devices train: one, all of this machine, or those of several machines."""

import faulthandler
import functools
import re
import signal
import threading
from collections.abc import Callable, Sequence

import tensorflow as tf

from trainers import cluster
from trainers.run import STRATEGIES, WORKER_TIMEOUT_S

# Which of `count` workers, from 0: what `make_batches` of `distribute` is given.
Share = tuple[int, int]


def make_strategy(
    name: str, *, worker_timeout_s: float = WORKER_TIMEOUT_S
) -> tf.distribute.Strategy:
    """A distribution strategy by name. With several workers, before any other use of TensorFlow.

    Args:
        name: "one" device; "mirrored" over every GPU, or every logical CPU device where there is
            none; "multi_worker" over those of several machines, which `cluster.find_cluster` finds;
            "auto": multi_worker where TF_CONFIG or Slurm speaks of more than one worker, else
            mirrored from two GPUs on.
        worker_timeout_s: How long workers wait for each other.

    Raises:
        ValueError: Another name; a cluster that is not described, or badly.
        TimeoutError: A worker did not answer in time.
        OSError: The port of this worker is taken.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}. Received: {name!r}.")
    # Asking for logical devices starts TensorFlow, after which it can join no cluster.
    if name == "multi_worker" or (name == "auto" and cluster.describes_several()):
        return _multi_worker(worker_timeout_s)
    gpus = tf.config.list_logical_devices("GPU")
    if name == "one" or (name == "auto" and len(gpus) < 2):
        return tf.distribute.get_strategy()
    return mirrored(gpus or tf.config.list_logical_devices("CPU"))


def mirrored(devices: Sequence[tf.config.LogicalDevice]) -> tf.distribute.MirroredStrategy:
    """MirroredStrategy over the given devices.

    On CPUs it reduces on one device: TensorFlow's collectives restart their numbering in every
    strategy, so a second one in the same process meets the shapes of the first and fails.
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
    # A worker that is lost at this very moment would be waited for without end, in a call that
    # neither Ctrl-C nor SIGTERM nor another thread interrupts; this does, with a traceback.
    faulthandler.dump_traceback_later(timeout_s, exit=True)
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    finally:
        faulthandler.cancel_dump_traceback_later()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # TensorFlow has made it do nothing


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
    """What `fit` is fed: on one machine the global batches, on several each worker's own rows.

    Replica r of R gets rows r * B / R ... (r + 1) * B / R of a global batch B, however the replicas
    are spread over workers.

    Args:
        strategy: From `make_strategy`.
        make_batches: Given (index, count), batches of that worker's rows, all of one size:
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

    So it is a barrier as well: nobody returns before all have come.
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


# What TensorFlow raises in the workers that are left.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


def lost_worker(strategy: tf.distribute.Strategy, error: Exception) -> str | None:
    """One line that names the worker that was lost; None where `error` says nothing of the kind.

    TensorFlow raises it on every other worker: at once where a connection to the lost one breaks in
    the middle of a sum, else when its heartbeat has been missed for 10 s.

    Args:
        strategy: That of the run.
        error: What came out of `fit` or `agree`.
    """
    _, count = worker(strategy)
    if count == 1 or not isinstance(error, _LOST):
        return None
    _, aborted, cause = str(error).partition("Collective ops is aborted by: ")
    if not aborted and not isinstance(error, tf.errors.UnavailableError):
        return None
    # Not the names of devices, which are of this worker: /job:worker/replica:0/task:0/device:CPU:0
    task = re.search(r"/job:worker/(?:replica:0/)?task:(\d+)(?!\d|/device)", cause or str(error))
    who = "A worker"
    if task and int(task[1]) < count:
        address = strategy.cluster_resolver.cluster_spec().task_address("worker", int(task[1]))
        who = f"Worker {task[1]} at {address}"
    return (
        f"{who} was lost: it no longer answers, and training needs all {count}. Its own output "
        "says why. Start the same command on every worker: it resumes from the last checkpoint."
    )
