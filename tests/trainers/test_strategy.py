"""Which devices train, and what several workers need of each other (in one process)."""

import json
import time
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf

from tests.battery.workers import free_ports
from trainers.strategy import agree, distribute, is_chief, lost_worker, make_strategy, worker


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def test_by_name():
    assert make_strategy("one").num_replicas_in_sync == 1
    assert make_strategy("auto").num_replicas_in_sync == 1  # no GPU here
    assert make_strategy("mirrored").num_replicas_in_sync == 2
    with pytest.raises(ValueError, match="one of auto, one, .*multi_worker. Received: 'two'."):
        make_strategy("two")


def test_multi_worker_must_be_told_of_its_workers():
    with pytest.raises(ValueError, match="the addresses of its workers: set TF_CONFIG on every"):
        make_strategy("multi_worker")
    with pytest.raises(ValueError, match="worker_timeout must be above 0 seconds. Received: 0."):
        make_strategy("multi_worker", worker_timeout_s=0)


@pytest.mark.parametrize("name", ["multi_worker", "auto"])
def test_an_unreachable_worker_is_named_within_the_stated_time(monkeypatch, name):
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    monkeypatch.setenv(
        "TF_CONFIG",
        json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 0}}),
    )
    start = time.monotonic()
    with pytest.raises(
        TimeoutError,
        match=f"within 1 s. Without an answer: worker 1 at {addresses[1]}. This is worker 0",
    ):
        make_strategy(name, worker_timeout_s=1)
    assert time.monotonic() - start < 6


@pytest.mark.parametrize("name", ["one", "mirrored"])
def test_one_machine_is_its_own_chief(name):
    strategy = make_strategy(name)
    assert worker(strategy) == (0, 1)
    assert is_chief(strategy)
    assert agree(strategy, True)
    assert not agree(strategy, False)
    assert lost_worker(strategy, tf.errors.UnavailableError(None, None, "gone")) is None


def test_replicas_of_one_machine_get_the_global_batch_in_order():
    strategy = make_strategy("mirrored")
    shares = []

    def make_batches(share):
        shares.append(share)
        return tf.data.Dataset.range(16).batch(8)

    dataset = distribute(strategy, make_batches)
    assert shares == [(0, 1)]
    first = next(iter(strategy.experimental_distribute_dataset(dataset)))  # as Keras does
    halves = [t.numpy() for t in strategy.experimental_local_results(first)]
    np.testing.assert_array_equal(halves, [[0, 1, 2, 3], [4, 5, 6, 7]])


@pytest.fixture
def two_workers():
    """Stands in for a strategy over two workers, seen from worker 0."""
    strategy = mock.create_autospec(tf.distribute.MultiWorkerMirroredStrategy, instance=True)
    strategy.cluster_resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}),
        task_type="worker",
        task_id=0,
    )
    return strategy


def test_a_worker_deals_its_rows_to_its_own_replicas(two_workers):
    """Two GPUs in each of two workers: replica 3 of 4 gets the last quarter of every batch."""
    two_workers.num_replicas_in_sync = 4

    def make_batches(share):
        index, count = share
        each = 8 // count
        return tf.data.Dataset.range(16).batch(8, True).map(lambda x: x[index * each :][:each])

    distribute(two_workers, make_batches)
    ((rows_of_worker,), _) = two_workers.distribute_datasets_from_function.call_args
    for index, expected in [
        (0, [[0, 1], [2, 3], [8, 9], [10, 11]]),
        (1, [[4, 5], [6, 7], [12, 13], [14, 15]]),
    ]:
        context = tf.distribute.InputContext(2, index, num_replicas_in_sync=4)
        dealt = rows_of_worker(context)  # TensorFlow gives each element to the next replica
        assert dealt.element_spec.shape == (2,)
        np.testing.assert_array_equal(list(dealt.as_numpy_iterator()), expected)


def test_the_chief_is_the_first(two_workers):
    assert worker(two_workers) == (0, 2)
    assert is_chief(two_workers)
    two_workers.cluster_resolver.task_id = 1
    assert worker(two_workers) == (1, 2)
    assert not is_chief(two_workers)


# What TensorFlow 2.21 said when workers were killed, shortened.
HEARTBEAT = """Graph execution error:

Detected at node CollectiveReduceV2 defined at (most recent call last):
Collective ops is aborted by: Error reported from /job:worker/task:1: The following tasks are \
unhealthy (stopped sending heartbeats):
/job:worker/replica:0/task:1
The tasks have crashed. The error could be from a previous operation.
    [[{{node CollectiveReduceV2}}]] [Op:__inference_multi_step_on_iterator_3037]"""
BROKEN_CONNECTION = """Graph execution error:

Collective ops is aborted by: failed to connect to all addresses; last error: UNKNOWN: \
ipv4:10.0.0.1:2222: Failed to connect to remote host: Connection refused
Additional GRPC error information from remote target /job:worker/replica:0/task:0 while calling \
/tensorflow.WorkerService/CompleteInstance:"""
WHILE_BUILDING = """{{function_node __wrapped__CollectiveBcastSend_device_/job:worker/replica:0/\
task:0/device:CPU:0}} Collective ops is aborted by: Error reported from /job:worker/task:1: The \
following tasks are unhealthy (stopped sending heartbeats):
/job:worker/replica:0/task:1"""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (HEARTBEAT, "Worker 1 at 10.0.0.2:2222 was lost: it no longer answers"),
        (BROKEN_CONNECTION, "Worker 0 at 10.0.0.1:2222 was lost"),
        (WHILE_BUILDING, "Worker 1 at 10.0.0.2:2222 was lost"),
        ("Socket closed", "A worker was lost"),
    ],
)
def test_a_lost_worker_in_one_line(two_workers, message, expected):
    line = lost_worker(two_workers, tf.errors.UnavailableError(None, None, message))
    assert line.startswith(expected)
    assert line.endswith("on every worker: it resumes from the last checkpoint.")
    assert "\n" not in line


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Collective ops is aborted by: /job:worker/task:1"),
        tf.errors.InvalidArgumentError(None, None, "shapes"),
        tf.errors.InternalError(None, None, "cuDNN"),
    ],
)
def test_other_errors_are_no_lost_worker(two_workers, error):
    assert lost_worker(two_workers, error) is None
