"""The ready files: each by its own schema or parser."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import kubeflow.training
import kubernetes.client
import pytest
import yaml

import trainers.cluster
from trainers import __main__ as command
from trainers import cluster

FOLDER = pathlib.Path(trainers.cluster.__file__).parent
PRIMITIVES = {"str": str, "int": int, "bool": bool, "float": float}


def check(value: object, kind: str, where: str) -> None:
    """Raises unless `value` is a `kind` of Kubernetes' or Kubeflow's own API models.

    Their classes know the fields, the types and what must be there; what they do not know is an
    error here, as it is to the server when it is strict.
    """
    if kind in PRIMITIVES:
        assert type(value) is PRIMITIVES[kind], f"{where} must be {kind}: {value!r}"
    elif match := re.fullmatch(r"list\[(.*)\]", kind):
        assert isinstance(value, list), f"{where} must be a list"
        for i, item in enumerate(value):
            check(item, match[1], f"{where}[{i}]")
    elif match := re.fullmatch(r"dict\(str, (.*)\)", kind):
        assert isinstance(value, dict), f"{where} must be a mapping"
        for key, item in value.items():
            check(item, match[1], f"{where}.{key}")
    elif kind != "object":
        model = getattr(kubernetes.client, kind, None) or getattr(kubeflow.training, kind)
        names = {field: name for name, field in model.attribute_map.items()}
        unknown = set(value) - set(names)
        assert not unknown, f"{where} ({kind}) has no {', '.join(sorted(unknown))}"
        for field, item in value.items():
            check(item, model.openapi_types[names[field]], f"{where}.{field}")
        model(**{names[field]: item for field, item in value.items()})  # raises for what is missing


MODELS = {
    "TFJob": "KubeflowOrgV1TFJob",
    "Job": "V1Job",
    "ServiceAccount": "V1ServiceAccount",
    "Role": "V1Role",
    "RoleBinding": "V1RoleBinding",
}


def test_the_readme_names_every_file():
    linked = set(re.findall(r"\]\(([^)]+)\)", (FOLDER / "README.md").read_text()))
    there = {file.name for file in FOLDER.iterdir() if file.is_file() and file.suffix != ".py"}
    assert linked == there - {"README.md"}


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


@pytest.mark.parametrize("name", ["kubeflow_tfjob.yaml", "kubernetes_job.yaml"])
def test_manifests_fit_their_schemas(name):
    for document in documents(name):
        check(document, MODELS[document["kind"]], document["kind"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda job: job["spec"].update(paralelism=2), "no paralelism"),
        (lambda job: job["spec"].update(completions="2"), "completions must be int"),
        (lambda job: job["spec"].pop("template"), "template"),
    ],
)
def test_the_schema_check_finds_mistakes(change, message):
    job = documents("kubernetes_job.yaml")[-1]
    change(job)
    with pytest.raises((AssertionError, ValueError), match=message):
        check(job, "V1Job", "Job")


def container(name: str) -> tuple[dict, dict]:
    """(pod spec, its container) of a manifest's job."""
    spec = documents(name)[-1]["spec"]
    template = (
        spec["template"] if "template" in spec else spec["tfReplicaSpecs"]["Worker"]["template"]
    )
    return template["spec"], template["spec"]["containers"][0]


def test_the_tfjob_is_what_the_operator_looks_for():
    pod, trainer = container("kubeflow_tfjob.yaml")
    assert trainer["name"] == "tensorflow"
    assert trainer["ports"] == [{"name": "tfjob-port", "containerPort": 2222}]
    assert pod["terminationGracePeriodSeconds"] == 120


def test_the_job_tells_what_the_workers_read():
    pod, trainer = container("kubernetes_job.yaml")
    *_, job = documents("kubernetes_job.yaml")
    environment = {variable["name"]: variable for variable in trainer["env"]}
    assert set(environment) == {"GAN_ZOO_PODS", "GAN_ZOO_WORKERS", "POD_IP", "POD_NAMESPACE"}
    workers = int(environment["GAN_ZOO_WORKERS"]["value"])
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == workers
    assert environment["GAN_ZOO_PODS"]["value"] == f"job-name={job['metadata']['name']}"
    assert trainer["ports"][0]["containerPort"] == cluster.members.KUBERNETES_PORT
    assert pod["serviceAccountName"] == documents("kubernetes_job.yaml")[0]["metadata"]["name"]


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
    assert cluster.find_cluster(1) == cluster.Cluster(tuple(addresses), 1)
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


def check_command(words: list[str]) -> None:
    """`python -m trainers` and flags that it has, with values that it takes."""
    assert words[:3] == ["python", "-m", "trainers"]
    described = command._run_of(command._parser().parse_args(words[3:]))
    assert described.strategy == "multi_worker"


@pytest.mark.parametrize("name", ["kubeflow_tfjob.yaml", "kubernetes_job.yaml"])
def test_the_manifests_commands(name):
    _, trainer = container(name)
    check_command(trainer["command"])
    workdir = shlex.split(trainer["command"][-1])[0].removeprefix("--workdir=")
    assert workdir.startswith(trainer["volumeMounts"][0]["mountPath"] + "/")
