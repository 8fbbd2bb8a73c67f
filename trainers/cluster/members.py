"""Finds the workers from TF_CONFIG or Slurm, with TensorFlow's resolvers."""

import dataclasses
import json
import os

import tensorflow as tf

HOW_TO = "set TF_CONFIG on every worker, or start it with Slurm's srun (trainers/cluster/README.md)"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run.

    Attributes:
        addresses: "host:port" of each worker, in the same order on all; the first is the chief.
        index: Index of this process among them.
    """

    addresses: tuple[str, ...]
    index: int

    def name(self, index: int) -> str:
        """ "worker 1 at 10.0.0.2:2222"."""
        return f"worker {index} at {self.addresses[index]}"


def find_cluster() -> Cluster:
    """Reads the cluster from TF_CONFIG or, if that is not set, from Slurm's variables.

    Raises:
        ValueError: Neither describes a cluster, or the description is invalid.
    """
    if os.environ.get("TF_CONFIG"):
        return _from_tf_config()
    if "SLURM_PROCID" in os.environ:
        return _from_slurm()
    raise ValueError(f"strategy 'multi_worker' needs the addresses of its workers: {HOW_TO}.")


def describes_several() -> bool:
    """Whether TF_CONFIG or, if that is not set, Slurm describes more than one worker."""
    if os.environ.get("TF_CONFIG"):
        return len(_from_tf_config().addresses) > 1
    return "SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1


def _from_tf_config() -> Cluster:
    try:
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        jobs = resolver.cluster_spec().as_dict()
        task, index = resolver.task_type, resolver.task_id
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise ValueError(
            'TF_CONFIG must be like {"cluster": {"worker": ["host:port", ...]}, '
            f'"task": {{"type": "worker", "index": 0}}}}. Received: {os.environ["TF_CONFIG"]!r} '
            f"({error})."
        ) from None
    # The chief is the first worker. Parameter servers and evaluators are not supported.
    if not set(jobs) <= {"chief", "worker"} or (jobs and task not in jobs):
        raise ValueError(
            "TF_CONFIG must have workers and at most one chief, and this task be one of them. "
            f"Received: jobs {sorted(jobs)}, task {task!r}."
        )
    if not jobs:
        raise ValueError(f'TF_CONFIG must have a "cluster". Received: {os.environ["TF_CONFIG"]!r}.')
    chiefs = jobs.get("chief", [])
    if index is None or not 0 <= index < len(jobs[task]) or len(chiefs) > 1:
        raise ValueError(
            f"The task's index in TF_CONFIG must be one of its {len(jobs[task])} {task}s, and "
            f"there is at most one chief. Received: index {index}, {len(chiefs)} chiefs."
        )
    index += len(chiefs) if task == "worker" else 0
    return _checked(Cluster((*chiefs, *jobs.get("worker", [])), index), "TF_CONFIG")


def _from_slurm() -> Cluster:
    try:
        job, local, host, tasks = (
            os.environ[name]
            for name in (
                "SLURM_JOB_ID",
                "SLURM_LOCALID",
                "SLURMD_NODENAME",
                "SLURM_STEP_TASKS_PER_NODE",
            )
        )
        # Slurm names hosts, not ports. Each job gets its own 16 ports, so jobs can share a host.
        first_port = 20000 + 16 * (int(job) % 562)
        # Slurm assigns GPUs to tasks. TensorFlow's resolver would divide them again and fails
        # without GPUs. These arguments make it leave the devices alone.
        most_tasks = max(int(part.partition("(")[0]) for part in tasks.split(","))
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=first_port, gpus_per_node=most_tasks, gpus_per_task=1, auto_set_gpu=False
        )
        addresses = resolver.cluster_spec().as_dict()["worker"]
    except (KeyError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"A worker under Slurm must be started with srun. Received: {error!r}."
        ) from None
    # The resolver sorts hosts by name, but Slurm numbers tasks in its own order: n10 is before n2
    # in one and after it in the other. So a task finds itself by host, not by number.
    own = f"{host}:{first_port + int(local)}"
    if own not in addresses:
        raise ValueError(
            f"This task must be one of Slurm's step, {', '.join(addresses)}. Received: {own}."
        )
    return Cluster(tuple(addresses), addresses.index(own))


def _checked(cluster: Cluster, source: str) -> Cluster:
    for address in cluster.addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(
                f'Every worker in {source} must be "host:port". Received: {address!r}.'
            )
    if len(set(cluster.addresses)) < len(cluster.addresses):
        raise ValueError(
            f"Every worker in {source} must have its own address. "
            f"Received: {json.dumps(cluster.addresses)}."
        )
    return cluster
