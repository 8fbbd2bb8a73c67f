"""Which versions are loaded and which one answers: the manager, with loads that the test holds.

The names in quotes are rows of TF Serving's contract.
"""

import asyncio
import threading

import grpc
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import model_pb2
from tensorflow_serving.config import model_server_config_pb2

from serving.server import configuration
from serving.server.batching import Batcher
from serving.server.configuration import ModelConfig, Policy
from serving.server.manager import Loading, Manager, State
from serving.server.status import StatusError, failed_precondition


class Loads:
    """Stands for TensorFlow: what is broken or held is so by the test's word.

    Attributes:
        seen: (event, version) in their order.
    """

    def __init__(self):
        self.broken = set()
        self.held = {}
        self.seen = []
        self.signatures = {}

    def __call__(self, name, path):
        version = int(path.name)
        if version in self.held:
            assert self.held[version].wait(30)
        if version in self.broken:
            self.seen.append(("failed", version))
            raise failed_precondition(f"{path.name} is broken")
        self.seen.append(("loaded", version))
        return _Loaded(self, version)


class _Loaded:
    signatures = ()

    def __init__(self, loads, version):
        self._loads, self._version = loads, version

    def close(self):
        self._loads.seen.append(("closed", self._version))


@pytest.fixture
def base(tmp_path):
    def make(*versions, name="m"):
        for version in versions:
            (tmp_path / name / str(version)).mkdir(parents=True, exist_ok=True)
        return tmp_path / name

    return make


def _spec(name="m", version=None, label=None):
    spec = model_pb2.ModelSpec(name=name)
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
    return spec


def _run(test, **kwargs):
    """Runs `test(manager, loads)` in a loop of its own."""

    async def run():
        loads = Loads()
        options = {"retry_seconds": 0.01} | kwargs
        manager = Manager(Loading(loads, lambda name: Batcher(), **options))
        try:
            return await asyncio.wait_for(test(manager, loads), 30)
        finally:
            for held in loads.held.values():
                held.set()
            await manager.close()

    return asyncio.run(run())


async def _until(condition):
    while not condition():
        await asyncio.sleep(0.002)


def _states(manager, name="m"):
    return [(v.number, v.state.name) for v in manager.status(_spec(name))]


def _config(path, **kwargs):
    return {path.name: ModelConfig(path.name, path, **kwargs)}


def test_latest_all_and_specific(base):
    """Policies: latest N (default 1), all, specific."""
    path = base(1, 2, 3, 10)

    async def test(manager, loads):
        found = []
        for policy in (
            Policy(),
            Policy(latest=2),
            Policy(latest=None),
            Policy(latest=None, specific=frozenset({1, 3, 7})),
        ):
            await manager.apply(_config(path, policy=policy))
            wanted = policy.choose([1, 2, 3, 10])
            await _until(
                lambda wanted=wanted: (
                    {n for n, state in _states(manager) if state == "AVAILABLE"} == wanted
                )
            )
            found.append(manager.find(_spec()).number)
        return found

    assert _run(test) == [10, 10, 10, 3]


def test_a_swap_keeps_a_version_available(base):
    """A swap is: 2 LOADING, 2 AVAILABLE, 1 UNLOADING, 1 END."""
    path = base(1)

    async def test(manager, loads):
        await manager.apply(_config(path))
        base(2)
        loads.held[2] = threading.Event()
        await manager.poll()
        await _until(lambda: (2, "LOADING") in _states(manager))
        assert _states(manager) == [(2, "LOADING"), (1, "AVAILABLE")]
        assert manager.find(_spec()).number == 1
        with manager.held(_spec()) as old:
            loads.held[2].set()
            await _until(lambda: (1, "UNLOADING") in _states(manager))
            assert _states(manager) == [(2, "AVAILABLE"), (1, "UNLOADING")]
            assert manager.find(_spec()).number == 2
            with pytest.raises(StatusError, match=r"Servable not found for request: Specific\(m"):
                manager.find(_spec(version=1))
            await asyncio.sleep(0.02)
            assert old.servable is not None  # a request still uses it
        await _until(lambda: _states(manager) == [(2, "AVAILABLE"), (1, "END")])
        assert loads.seen == [("loaded", 1), ("loaded", 2), ("closed", 1)]

    _run(test)


def test_a_broken_version_costs_itself_only(base):
    """A failed load is retried five times, and then ends with the error."""
    path = base(1)

    async def test(manager, loads):
        await manager.apply(_config(path) | _config(base(5, name="other")))
        loads.broken.add(2)
        base(2)
        await manager.poll()
        await _until(lambda: (2, "END") in _states(manager))
        assert loads.seen.count(("failed", 2)) == 6
        assert manager.find(_spec()).number == 1
        assert manager.find(_spec("other")).number == 5
        (broken,) = manager.status(_spec(version=2))
        assert (broken.error.code, broken.error.message) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "2 is broken",
        )
        await manager.poll()
        await asyncio.sleep(0.05)
        assert loads.seen.count(("failed", 2)) == 6  # it has ended
        # A good one comes, the broken one goes.
        base(3)
        (path / "2").rmdir()
        await manager.poll()
        await _until(lambda: _states(manager) == [(3, "AVAILABLE"), (2, "END"), (1, "END")])

    _run(test)


def test_the_error_stands_in_the_status_while_the_load_is_tried_again(base):
    path = base(2)

    async def test(manager, loads):
        loads.broken.add(2)
        await manager.apply(_config(path))
        (version,) = manager.status(_spec())
        assert (version.state, version.error.message) == (State.LOADING, "2 is broken")
        with pytest.raises(StatusError, match=r"Servable not found for request: Latest\(m\)"):
            manager.find(_spec())
        loads.broken.clear()
        await _until(lambda: _states(manager) == [(2, "AVAILABLE")])
        assert version.error is None

    _run(test, retry_seconds=0.05)


def test_a_version_that_is_gone_is_not_tried_again(base):
    path = base(1, 2)

    async def test(manager, loads):
        loads.broken.add(2)
        await manager.apply(_config(path))
        (path / "2").rmdir()
        await manager.poll()
        await _until(lambda: _states(manager) == [(2, "END"), (1, "AVAILABLE")])
        assert loads.seen.count(("failed", 2)) == 1

    _run(test, retry_seconds=60)


def test_roll_back(base):
    """The highest number that is there serves, even if it has been unloaded before."""
    path = base(1)

    async def test(manager, loads):
        await manager.apply(_config(path))
        base(2)
        await manager.poll()
        await _until(lambda: _states(manager) == [(2, "AVAILABLE"), (1, "END")])
        (path / "2").rmdir()
        await manager.poll()
        await _until(lambda: _states(manager) == [(2, "END"), (1, "AVAILABLE")])
        assert manager.find(_spec()).number == 1

    _run(test)


def test_all_versions_deleted_unload_and_a_missing_base_path_changes_nothing(base):
    """All versions deleted while the base path exists: everything unloads."""
    path = base(1)

    async def test(manager, loads):
        await manager.apply(_config(path))
        path.rename(path.with_name("away"))
        await manager.poll()
        assert _states(manager) == [(1, "AVAILABLE")]
        path.with_name("away").rename(path)
        (path / "1").rmdir()
        await manager.poll()
        await _until(lambda: _states(manager) == [(1, "END")])
        with pytest.raises(StatusError, match="Servable not found"):
            manager.find(_spec())

    _run(test)


def test_labels(base):
    """Labels may only point at AVAILABLE versions."""
    path = base(1, 2)
    both = Policy(latest=None)

    async def test(manager, loads):
        await manager.apply(_config(path, policy=both, labels={"stable": 1, "canary": 2}))
        assert manager.find(_spec(label="stable")).number == 1
        assert manager.find(_spec(label="canary")).number == 2
        with pytest.raises(StatusError, match="Unrecognized servable version label: x") as caught:
            manager.find(_spec(label="x"))
        assert caught.value.code == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(StatusError) as caught:
            await manager.apply(_config(path, policy=both, labels={"stable": 3}))
        assert (caught.value.code, caught.value.message) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "Request to assign label to version 3 of model m, which is not currently available for"
            " inference",
        )
        assert manager.find(_spec(label="stable")).number == 1
        await manager.apply(_config(path, policy=both, labels={"stable": 2}))
        assert manager.find(_spec(label="stable")).number == 2

    _run(test)


def test_a_label_that_cannot_be_assigned_costs_itself_and_is_assigned_later(base):
    """As TF Serving, which tries again at every poll of the file."""
    path = base(1, 2)
    both = Policy(latest=None, specific=frozenset({1, 2}))

    async def test(manager, loads):
        loads.broken.add(2)
        with pytest.raises(StatusError, match="Request to assign label to version 2"):
            await manager.apply(_config(path, policy=both, labels={"stable": 1, "canary": 2}))
        assert manager.find(_spec(label="stable")).number == 1
        with pytest.raises(StatusError, match="Unrecognized servable version label: canary"):
            manager.find(_spec(label="canary"))
        loads.broken.clear()  # the next try succeeds
        await _until(lambda: (2, "AVAILABLE") in _states(manager))
        assert manager.find(_spec(label="canary")).number == 2
        assert manager.find(_spec(label="stable")).number == 1

    _run(test, retries=10_000)


def test_new_labels_for_unavailable_versions(base):
    """`--allow_version_labels_for_unavailable_models` admits new labels only."""
    path = base(1)

    async def test(manager, loads):
        await manager.apply(_config(path, labels={"stable": 1, "next": 2}))
        with pytest.raises(StatusError, match=r"Specific\(m, 2\)"):
            manager.find(_spec(label="next"))
        with pytest.raises(StatusError, match="label to version 3 of model m"):
            await manager.apply(_config(path, labels={"stable": 3}))

    _run(test, labels_for_unavailable=True)


def test_a_new_list_replaces_the_old(base):
    """The new list replaces the old; blocks for newly named models only."""
    first, second = base(1), base(4, name="n")

    async def test(manager, loads):
        await manager.apply(_config(first))
        await manager.apply(_config(second))
        assert manager.names() == ["n"]
        assert manager.find(_spec("n")).number == 4
        with pytest.raises(StatusError, match=r"Latest\(m\)"):
            manager.find(_spec("m"))
        await _until(lambda: _states(manager) == [(1, "END")])  # it stays listed
        await manager.apply(_config(first))
        await _until(lambda: _states(manager) == [(1, "AVAILABLE")])
        with pytest.raises(StatusError) as caught:
            await manager.apply(_config(first, platform="x"))
        assert caught.value.message == (
            "Illegal to change a model's platform. For model m platform was tensorflow and new"
            " platform requested is x"
        )

    _run(test)


def _read(text):
    proto = model_server_config_pb2.ModelServerConfig()
    return configuration.read_proto(text_format.Parse(text, proto))


def _entry(name="m", path="/models/m", rest='model_platform: "tensorflow"'):
    return f'config {{ name: "{name}" base_path: "{path}" {rest} }}'


def test_a_model_config_is_read(tmp_path):
    text = f"""model_config_list {{
      {_entry()}
      {
        _entry(
            "n",
            "/models/n",
            '''model_platform: "tensorflow"
               model_version_policy { specific { versions: 3 versions: 5 } }
               version_labels { key: "stable" value: 3 }''',
        )
    }
      {_entry("o", "/o", "model_type: TENSORFLOW model_version_policy { all {} }")}
      {_entry("p", "/p", 'model_platform: "x" model_version_policy { latest { num_versions: 2 } }')}
    }}"""
    file = tmp_path / "models.config"
    file.write_text(text)
    configs = configuration.of_file(str(file))()
    assert configs == _read(text)
    assert {name: str(config.base_path) for name, config in configs.items()} == {
        "m": "/models/m",
        "n": "/models/n",
        "o": "/o",
        "p": "/p",
    }
    assert configs["m"].policy == Policy()
    assert configs["n"].policy == Policy(latest=None, specific=frozenset({3, 5}))
    assert configs["n"].labels == {"stable": 3}
    assert configs["o"].policy == Policy(latest=None)
    assert (configs["p"].policy, configs["p"].platform) == (Policy(latest=2), "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "custom_model_config {}",
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only"
            " ModelConfigList is currently supported",
        ),
        (
            f"model_config_list {{ {_entry()} {_entry()} }}",
            "Illegal to list model m multiple times in config list",
        ),
        (
            f"model_config_list {{ {_entry(path='models/m')} }}",
            "Expected model m to have an absolute path or URI; got base_path()=models/m",
        ),
        (
            f"model_config_list {{ {_entry(rest='')} }}",
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor"
            " ModelServerConfig::model_platform.",
        ),
        (
            f"model_config_list {{ {_entry(name='../m')} }}",
            "A model's name must not be empty and must have no '/'. Received: '../m'",
        ),
    ],
)
def test_configs_that_are_refused(text, message):
    with pytest.raises(StatusError) as caught:
        _read(text)
    assert (caught.value.code, caught.value.message) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        message,
    )


def test_a_file_that_is_no_text_proto(tmp_path):
    """`Error parsing text-format tensorflow.serving.ModelServerConfig`."""
    file = tmp_path / "models.config"
    file.write_text("model_config_list { config }")
    with pytest.raises(StatusError) as caught:
        configuration.of_file(str(file))()
    assert caught.value.message.startswith(
        f"Error parsing text-format tensorflow.serving.ModelServerConfig: {file}:1:"
    )


def test_a_version_that_comes_back_while_it_unloads_is_loaded_again(base):
    path = base(1)

    async def test(manager, loads):
        await manager.apply(_config(path))
        with manager.held(_spec()) as old:
            (path / "1").rmdir()
            await manager.poll()
            assert _states(manager) == [(1, "UNLOADING")]
            base(1)
            await manager.poll()
            await _until(lambda: _states(manager) == [(1, "AVAILABLE")])
            assert manager.find(_spec()) is not old
        await _until(lambda: ("closed", 1) in loads.seen)

    _run(test)
