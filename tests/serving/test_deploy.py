"""The ready files of `serving/deploy`: each by its own schema or parser, and against the server."""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from serving.server import flags, text_files
from serving.server.monitoring import PATH, Monitoring
from tests.serving.conftest import ROOT

FOLDER = ROOT / "serving/deploy"
METRIC = re.compile(r":tensorflow:[\w:]+")
# Labels of TF Serving's metrics, in its sources; a rule may use them where ours has them too.
TF_SERVING = {
    "request_count": {"model_name", "status"},
    "request_latency": {"model_name", "API", "entrypoint"},
    "runtime_latency": {"model_name", "API", "runtime"},
    "batching_session:queuing_latency": {"thread_pool_name"},
    "batching_session:processed_batch_size": set(),
    "model_warmup_latency": {"model_path", "status"},
}


def documents(name: str) -> list[dict]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def rules() -> list[dict]:
    (document,) = documents("alerts.yaml")
    return [rule for group in document["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    found += [v["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    return found + [rule["expr"] for rule in rules()]


def test_the_readme_names_every_file():
    linked = set(re.findall(r"\]\(([^)]+)\)", (FOLDER / "README.md").read_text()))
    assert linked == {file.name for file in FOLDER.iterdir()} - {"README.md"}


def test_the_runbook_has_a_section_for_each_alert():
    text = (FOLDER / "runbook.md").read_text()
    sections = re.findall(r"^### (.+)$", text, re.MULTILINE)
    assert sorted(sections) == sorted(rule["alert"] for rule in rules())
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"runbook.md#{rule['alert'].lower()}"


# ---- metrics


def exported() -> dict[str, set[str]]:
    """Each sample that our server writes after a call, a run and a warm-up, with its labels."""
    monitoring = Monitoring()
    monitoring.request("m", "Predict", "GRPC", "OK", 0.1)
    for name in ("queuing_latency", "runtime_latency", "processed_batch_size"):
        monitoring.run("m", name, 1)
    monitoring.warmed_up("/m/1", "OK", 1.0)
    samples: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(monitoring.text().decode()):
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    return samples


def metric(sample: str) -> str:
    """The metric of a sample: of :tensorflow:serving:request_latency_bucket, request_latency."""
    name = sample.removeprefix(":tensorflow:serving:")
    return name if name in TF_SERVING else re.sub("_(bucket|sum|count)$", "", name)


def test_every_metric_is_one_that_both_servers_export():
    found = {name for text in expressions() for name in METRIC.findall(text)}
    assert found <= set(exported())
    assert {metric(name) for name in found} == set(TF_SERVING)  # and each of them is watched


def test_every_label_is_one_that_both_servers_export():
    ours = exported()
    for text in expressions():
        labels = set(re.findall(r"(\w+)[!=]~?\"", text))
        for group in re.findall(r"by \(([^)]*)\)", text):
            labels |= {label.strip() for label in group.split(",")}
        labels -= {"le", "job"}  # of a bucket; Prometheus's own
        for name in METRIC.findall(text):
            assert labels <= ours[name] & TF_SERVING[metric(name)], text


def test_the_metrics_are_where_the_files_say():
    (prometheus,) = documents("prometheus.yaml")
    assert prometheus["scrape_configs"][0]["metrics_path"] == PATH
    pod = deployment()["spec"]["template"]
    assert pod["metadata"]["annotations"]["prometheus.io/path"] == PATH
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert pod["spec"]["containers"][0][probe]["httpGet"]["path"] == PATH


@pytest.mark.slow
def test_promtool_takes_the_rules_and_they_alert(tmp_path):
    promtool = shutil.which("promtool")
    assert promtool, "install Debian's prometheus"
    for command in (["config", "--syntax-only", "prometheus.yaml"], ["rules", "alerts.yaml"]):
        subprocess.run([promtool, "check", *command], cwd=FOLDER, check=True)
    tests = (Path(__file__).parent / "alerts_test.yaml").read_text()
    (tmp_path / "tests.yaml").write_text(tests.replace("ALERTS", str(FOLDER / "alerts.yaml")))
    subprocess.run([promtool, "test", "rules", tmp_path / "tests.yaml"], check=True)
    tested = set(re.findall(r"alertname: (\w+)", tests))
    assert tested == {rule["alert"] for rule in rules()}


# ---- Kubernetes


def deployment() -> dict:
    return documents("kubernetes.yaml")[0]


def test_manifests_fit_their_schemas():
    found = documents("kubernetes.yaml")
    assert [document["kind"] for document in found] == [
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    ]
    for document in found:
        kubernetes_validate.validate(document, "1.31", strict=True)
    broken = copy.deepcopy(found[0])
    broken["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = "grpc"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.31", strict=True)


def test_the_manifests_name_one_another():
    main, service, scaler, budget, policy = documents("kubernetes.yaml")
    pod = main["spec"]["template"]
    labels = pod["metadata"]["labels"]
    assert labels == main["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert labels == budget["spec"]["selector"]["matchLabels"]
    assert labels == policy["spec"]["podSelector"]["matchLabels"]
    target = scaler["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (main["kind"], main["metadata"]["name"])
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "http": 8501}
    opened = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    assert opened == set(ports)
    assert service["spec"]["ports"][0]["targetPort"] == "grpc"
    assert service["spec"]["clusterIP"] == "None"
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    for each in (container, *pod["spec"]["initContainers"]):
        assert {mount["name"] for mount in each["volumeMounts"]} <= volumes
        assert each["securityContext"]["readOnlyRootFilesystem"] is True
    # A pod has time to wait, and then to answer what has come.
    waits = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert waits < pod["spec"]["terminationGracePeriodSeconds"]


def test_the_ssl_config_is_what_the_server_reads(tmp_path):
    """The init container's script, run on a secret's files."""
    (init,) = deployment()["spec"]["template"]["spec"]["initContainers"]
    pems = {}
    for name in ("tls.key", "tls.crt", "ca.crt"):
        body = "MIIB+/AbC=\n" * 3 + f"{name}\n"
        pems[name] = f"-----BEGIN X-----\n{body}-----END X-----\n"
        (tmp_path / name).write_text(pems[name])
    assert [variable["name"] for variable in init["env"]] == ["TLS", "SSL"]
    environment = {"TLS": str(tmp_path), "SSL": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run([*init["command"], *init["args"]], env=environment, check=True)
    assert (tmp_path / "ssl.config").stat().st_mode & 0o077 == 0
    read = text_files.read_ssl(str(tmp_path / "ssl.config"))
    assert read == text_files.Certificates(
        pems["tls.key"].encode(), pems["tls.crt"].encode(), pems["ca.crt"].encode(), True
    )


def test_kserve_runs_the_model_on_tf_serving():
    (service,) = documents("kserve.yaml")
    assert service["apiVersion"] == "serving.kserve.io/v1beta1"
    model = copy.deepcopy(service["spec"]["predictor"]["model"])
    assert model.pop("modelFormat") == {"name": "tensorflow", "version": "2"}
    # The runtime's name, its protocol for gRPC and its port, as KServe's own manifest has them.
    assert model.pop("runtime") == "kserve-tensorflow-serving"
    assert model.pop("protocolVersion") == "grpc-v1"
    assert model["ports"][0]["containerPort"] == 9000
    assert model.pop("storageUri").startswith("pvc://models/")
    # The rest is a container's.
    container = {"name": "kserve-container", "image": "x", **model}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": service["metadata"]["name"]},
        "spec": {"containers": [container]},
    }
    kubernetes_validate.validate(pod, "1.31", strict=True)


# ---- flags and Compose


def compose() -> dict:
    (document,) = documents("compose.yaml")
    return document


def serving_flags() -> dict[str, list[str]]:
    container = deployment()["spec"]["template"]["spec"]["containers"][0]
    return {
        "compose": compose()["services"]["serving"]["command"],
        "kubernetes": container["args"],
    }


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_our_server_takes_the_same_flags(where):
    args = flags.parser(None).parse_args(serving_flags()[where])
    assert args.model_config_file == "/config/models.config"
    assert args.batching_parameters_file == "/config/batching.config"
    assert args.allow_version_labels_for_unavailable_models is True


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_the_files_that_flags_name_are_mounted(where):
    if where == "compose":
        mounts = [v.split(":")[-2] for v in compose()["services"]["serving"]["volumes"]]
    else:
        container = deployment()["spec"]["template"]["spec"]["containers"][0]
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    named = re.findall(r"=(/\w+)/", "\n".join(serving_flags()[where]))
    assert named
    assert set(named) | {"/models"} <= set(mounts)


def test_compose_fits_together():
    document = compose()
    for name, service in document["services"].items():
        assert re.fullmatch(r"[a-z]+/[a-z-]+:v?\d[\w.]*", service["image"]), name
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source.startswith("${") or (FOLDER / source).is_file(), volume
        for port in service["ports"]:
            assert port.startswith("127.0.0.1:")
    used = {config["source"] for config in document["services"]["grafana"]["configs"]}
    assert used == set(document["configs"])
    for config in document["configs"].values():
        assert yaml.safe_load(config["content"])["apiVersion"] == 1
    (prometheus,) = documents("prometheus.yaml")
    (target,) = prometheus["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target.split(":")[0] in document["services"]
    job = prometheus["scrape_configs"][0]["job_name"]
    assert {f'job="{job}"' in text for text in expressions() if "up{" in text} == {True}


def test_no_registry_is_named():
    for file in FOLDER.iterdir():
        assert not re.search(r"\b[\w-]+(\.[\w-]+)+/[\w-]+/[\w-]+:[\w.]+", file.read_text()), file
