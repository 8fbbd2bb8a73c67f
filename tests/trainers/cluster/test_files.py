"""The ready files: each by its own schema or parser."""

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import kubernetes_validate
import pytest
import yaml
from kubeflow_trainer_api.models import JobsetV1alpha2JobSet

import trainers.cluster
from trainers import __main__ as command
from trainers import cluster
from trainers.run import Run

FOLDER = pathlib.Path(trainers.cluster.__file__).parent


def test_the_readme_names_every_file():
    linked = set(re.findall(r"\]\(([^)]+)\)", (FOLDER / "README.md").read_text()))
    there = {file.name for file in FOLDER.iterdir() if file.is_file() and file.suffix != ".py"}
    assert linked == there - {"README.md"}


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


MANIFESTS = ("kubernetes_job.yaml", "kubernetes_jobset.yaml")


def check(document: dict) -> None:
    """Raises unless Kubernetes' own schema allows it; a JobSet must fit its models, its jobs that.

    The models ignore fields that they do not know, so they must give back what they were given.
    """
    if document["kind"] != "JobSet":
        return kubernetes_validate.validate(document, "1.31", strict=True)
    document = copy.deepcopy(document)
    for job in document["spec"]["replicatedJobs"]:
        template, job["template"] = job["template"], {}
        metadata = {"name": job["name"]}
        check({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, **template})
    jobset = JobsetV1alpha2JobSet.model_validate(document)
    assert jobset.model_dump(by_alias=True, exclude_none=True, mode="json") == document


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_fit_their_schemas(name):
    for document in documents(name):
        check(document)


@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize(
    "change",
    [
        lambda job: job.update(paralelism=2),
        lambda job: job.update(completions="2"),
        lambda job: job.pop("template"),
    ],
)
def test_the_schema_check_finds_mistakes(name, change):
    *_, document = documents(name)
    change(job_of(document))
    with pytest.raises((AssertionError, ValueError, kubernetes_validate.ValidationError)):
        check(document)


def test_the_schema_check_finds_mistakes_of_a_jobset():
    (document,) = documents("kubernetes_jobset.yaml")
    document["spec"]["failurePolicy"]["maxRestart"] = 3
    with pytest.raises(AssertionError):
        check(document)


def job_of(document: dict) -> dict:
    """The spec of the job in a manifest."""
    spec = document["spec"]
    return spec["replicatedJobs"][0]["template"]["spec"] if "replicatedJobs" in spec else spec


def container(name: str) -> tuple[dict, dict]:
    """(pod spec, its container) of a manifest's job."""
    pod = job_of(documents(name)[-1])["template"]["spec"]
    return pod, pod["containers"][0]


@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize("index", [0, 1])
def test_the_workers_find_each_other_by_name(name, index, monkeypatch):
    """TF_CONFIG names the pods as Kubernetes does, once it has put in the pod's index."""
    *others, document = documents(name)
    pod, trainer = container(name)
    job = job_of(document)
    environment = {variable["name"]: variable for variable in trainer["env"]}
    path = environment["WORKER"]["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    assert list(environment) == ["WORKER", "TF_CONFIG", "HOME"]  # what comes first can be put in
    monkeypatch.setenv(
        "TF_CONFIG", environment["TF_CONFIG"]["value"].replace("$(WORKER)", f"{index}")
    )
    name_of_job, subdomain = document["metadata"]["name"], pod.get("subdomain")
    if document["kind"] == "JobSet":  # <jobset>-<replicated job>-<its index>-<pod's index>
        name_of_job += f"-{document['spec']['replicatedJobs'][0]['name']}-0"
        subdomain = document["spec"]["network"]["subdomain"]
    else:
        (service,) = others
        assert service["metadata"]["name"] == subdomain
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["selector"] == {"job-name": name_of_job}
    found = cluster.find_cluster()
    port = trainer["ports"][0]["containerPort"]
    workers = job["completions"]
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] == workers
    assert found.addresses == tuple(f"{name_of_job}-{i}.{subdomain}:{port}" for i in range(workers))
    assert found.index == index
    assert pod["terminationGracePeriodSeconds"] == 120


@pytest.fixture
def stubs(tmp_path, monkeypatch):
    """`python`, `srun` and `scontrol` that write down how they were called; returns that log."""
    log = tmp_path / "calls.jsonl"
    monkeypatch.setenv("CALLS", str(log))
    for name in ("python", "srun", "scontrol"):
        stub = tmp_path / name
        stub.write_text(
            f"#!{sys.executable}\n"
            "import json, os, sys\n"
            "with open(os.environ['CALLS'], 'a') as log:\n"
            "    json.dump([os.path.basename(sys.argv[0]), *sys.argv[1:]], log)\n"
            "    log.write('\\n')\n"
            "print(os.environ.get('TF_CONFIG', ''))\n"
            "sys.exit(int(os.environ.get('STATUS', 0)) if 'srun' in sys.argv[0] else 0)\n"
        )
        stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def calls() -> list[list[str]]:
        return [json.loads(line) for line in log.read_text().splitlines()]

    return calls


def test_plain_hosts(stubs, monkeypatch):
    """The TF_CONFIG that the script sets is one that TensorFlow's resolver reads."""
    addresses = ["10.0.0.1:2222", "10.0.0.2:2222"]
    result = subprocess.run(
        ["sh", FOLDER / "tf_config.sh", "1", *addresses], capture_output=True, text=True, check=True
    )
    monkeypatch.setenv("TF_CONFIG", result.stdout.strip())
    assert cluster.find_cluster() == cluster.Cluster(tuple(addresses), 1)
    check_command(stubs()[0])


def test_plain_hosts_without_arguments():
    result = subprocess.run(
        ["sh", FOLDER / "tf_config.sh"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr.startswith("usage: ")


@pytest.mark.parametrize(("status", "requeued"), [(0, False), (1, False), (143, True)])
def test_slurm_runs_and_requeues_after_sigterm(stubs, monkeypatch, status, requeued):
    monkeypatch.setenv("SLURM_SUBMIT_DIR", "/shared")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("STATUS", str(status))
    monkeypatch.delenv("WORKDIR", raising=False)
    result = subprocess.run(["bash", FOLDER / "slurm.sbatch", "--steps=9"], check=False)
    assert result.returncode == status
    srun, *rest = stubs()
    assert srun[:3] == ["srun", "--kill-on-bad-exit=1", "--label"]
    check_command(srun[3:])
    assert srun[-2:] == ["--workdir=/shared/runs/dcgan_fashion_mnist", "--steps=9"]
    assert rest == ([["scontrol", "requeue", "4711"]] if requeued else [])


@pytest.mark.skipif(shutil.which("sbatch") is None, reason="Slurm's sbatch is not installed")
def test_sbatch_takes_the_options(tmp_path):
    """Slurm's own parser, which needs no controller to find a mistake."""
    script = (FOLDER / "slurm.sbatch").read_text()
    for changed, complaint in [
        (script, "Unable to contact slurm controller"),
        (script.replace("TERM@120", "TURM@120"), "Invalid --signal specification"),
        (script.replace("--requeue", "--reqeue"), "unrecognized option"),
    ]:
        configuration = tmp_path / "slurm.conf"
        configuration.write_text(
            "ClusterName=test\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort=1\n"
            "AuthType=auth/none\nCredType=cred/none\nSelectType=select/cons_tres\nGresTypes=gpu\n"
            "NodeName=n[1-2] CPUs=8 Gres=gpu:1\nPartitionName=all Nodes=ALL Default=YES\n"
        )
        file = tmp_path / "job.sbatch"
        file.write_text(changed)
        result = subprocess.run(
            ["sbatch", "--test-only", file],
            env={**os.environ, "SLURM_CONF": str(configuration)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert complaint in result.stderr


def check_command(words: list[str]) -> Run:
    """`python -m trainers` and flags that it has, with values that it takes."""
    assert words[:3] == ["python", "-m", "trainers"]
    described = command._run_of(command._parser().parse_args(words[3:]))
    assert described.strategy == "multi_worker"
    return described


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_manifests_commands(name):
    _, trainer = container(name)
    described = check_command(trainer["command"])
    volume = trainer["volumeMounts"][0]["mountPath"]
    for folder in (described.workdir, described.data_dir):
        assert folder.startswith(volume + "/")
    # The image's user has no home, and the cache of evaluations goes there.
    assert {"name": "HOME", "value": volume} in trainer["env"]
