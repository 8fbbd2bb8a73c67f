"""The cluster as the environment describes it: TF_CONFIG, Slurm."""

import json

import pytest

from trainers import cluster

VARIABLES = (
    "TF_CONFIG",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_JOB_ID",
    "SLURMD_NODENAME",
    "SLURM_STEP_NUM_TASKS",
    "SLURM_STEP_NODELIST",
    "SLURM_STEP_TASKS_PER_NODE",
    "CUDA_VISIBLE_DEVICES",
)


@pytest.fixture
def environment(monkeypatch):
    """Sets variables; none of those that matter is there before."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def set_all(**variables: object) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value if isinstance(value, str) else json.dumps(value))

    return set_all


def tf_config(jobs: dict, task: str, index: object) -> dict:
    return {"cluster": jobs, "task": {"type": task, "index": index}}


TWO = {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}


def test_nothing_is_described(environment):
    assert not cluster.describes_several()
    with pytest.raises(ValueError, match="needs the addresses of its workers: set TF_CONFIG"):
        cluster.find_cluster()


def test_tf_config(environment):
    environment(TF_CONFIG=tf_config(TWO, "worker", 1))
    found = cluster.find_cluster()
    assert found == cluster.Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 1)
    assert found.name(0) == "worker 0 at 10.0.0.1:2222"
    assert cluster.describes_several()


@pytest.mark.parametrize(("task", "expected"), [("chief", 0), ("worker", 1)])
def test_a_chief_is_the_first_worker(environment, task, expected):
    jobs = {"worker": ["w:1"], "chief": ["c:1"]}
    environment(TF_CONFIG=tf_config(jobs, task, 0))
    assert cluster.find_cluster() == cluster.Cluster(("c:1", "w:1"), expected)


def test_one_worker_is_not_several(environment):
    environment(TF_CONFIG=tf_config({"worker": ["w:1"]}, "worker", 0))
    assert not cluster.describes_several()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "TF_CONFIG must be like"),
        ("{}", 'must have a "cluster"'),
        (tf_config(TWO, "worker", 2), "index in TF_CONFIG must be one of its 2 workers"),
        (tf_config(TWO, "worker", -1), "Received: index -1"),
        (tf_config(TWO, "evaluator", 0), "Received: jobs \\['worker'\\], task 'evaluator'"),
        (tf_config({**TWO, "ps": ["p:1"]}, "worker", 0), "Received: jobs \\['ps', 'worker'\\]"),
        (tf_config({"worker": ["w:1", "w"]}, "worker", 0), "must be \"host:port\".* 'w'"),
        (tf_config({"worker": ["w:1", "w:1"]}, "worker", 0), "must have its own address"),
    ],
)
def test_a_bad_tf_config(environment, value, message):
    environment(TF_CONFIG=value)
    with pytest.raises(ValueError, match=message):
        cluster.find_cluster()


def slurm(host: str, local: int, rank: int, nodes: str, tasks: str, count: int) -> dict[str, str]:
    """The variables that srun sets for a task."""
    return {
        "SLURM_JOB_ID": "4711",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(local),
        "SLURMD_NODENAME": host,
        "SLURM_STEP_NUM_TASKS": str(count),
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_TASKS_PER_NODE": tasks,
    }


def test_slurm(environment):
    environment(**slurm("n2", 0, 1, "n[1-2]", "1(x2)", 2))
    assert cluster.describes_several()
    assert cluster.find_cluster() == cluster.Cluster(("n1:23440", "n2:23440"), 1)


def test_slurm_with_two_tasks_on_each_host(environment):
    environment(**slurm("n2", 1, 3, "n[1-2]", "2(x2)", 4))
    found = cluster.find_cluster()
    assert found.addresses == ("n1:23440", "n1:23441", "n2:23440", "n2:23441")
    assert found.index == 3


@pytest.mark.parametrize(("host", "rank"), [("n1", 0), ("n2", 1), ("n10", 2)])
def test_a_slurm_task_knows_its_own_host_whatever_its_rank(environment, host, rank):
    """Slurm counts n1, n2, n10; TensorFlow's resolver sorts them as n1, n10, n2."""
    environment(**slurm(host, 0, rank, "n[1-2,10]", "1(x3)", 3))
    found = cluster.find_cluster()
    assert found.addresses[found.index] == f"{host}:23440"
    assert sorted(found.addresses) == ["n10:23440", "n1:23440", "n2:23440"]


def test_slurm_leaves_the_gpus_as_they_are(environment, monkeypatch):
    import os

    environment(CUDA_VISIBLE_DEVICES="3", **slurm("n1", 0, 0, "n[1-2]", "1(x2)", 2))
    cluster.find_cluster()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"


def test_slurm_without_srun(environment):
    """In a batch script itself there is a rank and no step."""
    environment(SLURM_PROCID="0", SLURM_JOB_ID="1", SLURM_LOCALID="0", SLURMD_NODENAME="n1")
    assert not cluster.describes_several()
    with pytest.raises(ValueError, match="must be started with srun. Received: .*STEP_TASKS"):
        cluster.find_cluster()
