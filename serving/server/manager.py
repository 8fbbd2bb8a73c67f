"""Which versions of which models are loaded, and what becomes of them.

A poll compares what the file system and the configuration ask for with what is loaded. A version
goes through TF Serving's states: START, LOADING, AVAILABLE, UNLOADING, END. A new version is
AVAILABLE before an old one unloads. A version that cannot be loaded costs only itself: its error
stands in GetModelStatus, its load is tried again, and the version before it goes on serving.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import enum
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from serving.server.base_path import versions_at
from serving.server.batching import Batcher
from serving.server.configuration import Configs, ModelConfig
from serving.server.logs import log
from serving.server.servable import Servable
from serving.server.status import StatusError, failed_precondition, invalid_argument, not_found

# Ended versions that stay listed, of each model.
_ENDED_KEPT = 100


class State(enum.IntEnum):
    """The numbers of TF Serving's ModelVersionStatus.State."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclasses.dataclass(eq=False)
class Version:
    """One version of a model.

    Attributes:
        number: its version.
        path: its folder.
        state: where it is in its life.
        error: why it is not available; of the last attempt while it is LOADING.
        aspired: the configuration asks for it.
        servable: what is loaded, while it is AVAILABLE or UNLOADING.
        batcher: its queue and worker, likewise.
    """

    number: int
    path: Path
    state: State = State.START
    error: StatusError | None = None
    aspired: bool = True
    servable: Servable | None = None
    batcher: Batcher | None = None
    callers: int = 0
    idle: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    tried: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    unwanted: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)


@dataclasses.dataclass(eq=False)
class _Model:
    config: ModelConfig
    versions: dict[int, Version] = dataclasses.field(default_factory=dict)
    labels: dict[str, int] = dataclasses.field(default_factory=dict)

    def available(self) -> list[Version]:
        return [v for v in self.versions.values() if v.state == State.AVAILABLE]


@dataclasses.dataclass(frozen=True)
class Loading:
    """How versions are loaded.

    Attributes:
        load: (model, version folder) -> what is loaded. It runs in a thread, and raises
            `StatusError`.
        batcher: model -> a queue and worker for one of its versions.
        retries: how often a failed load is tried again.
        retry_seconds: how long it waits for that.
        threads: versions that load at a time.
        labels_for_unavailable: new labels may point at a version that is not AVAILABLE.
    """

    load: Callable[[str, Path], Servable]
    batcher: Callable[[str], Batcher]
    retries: int = 5
    retry_seconds: float = 60.0
    threads: int = 1
    labels_for_unavailable: bool = False


class Manager:
    """The served models. Lives in one event loop.

    Args:
        loading: how versions are loaded.
        on_change: is called with a model's name, and whether one of its versions is AVAILABLE,
            after each change.
    """

    def __init__(
        self, loading: Loading, on_change: Callable[[str, bool], None] = lambda name, up: None
    ):
        self._loading = loading
        self._on_change = on_change
        self._models: dict[str, _Model] = {}
        self._retired: dict[str, _Model] = {}  # no longer configured; still listed
        self._tasks: set[asyncio.Task] = set()
        self._pool = concurrent.futures.ThreadPoolExecutor(max(1, loading.threads), "load")
        self._poll_errors: dict[str, str] = {}

    async def close(self) -> None:
        """Unloads everything, once nobody uses it."""
        for name in list(self._models):
            self._drop(name)
        while self._tasks:
            await asyncio.wait(self._tasks)
        self._pool.shutdown()

    def names(self) -> list[str]:
        """Returns the names of the configured models."""
        return sorted(self._models)

    def serves(self, name: str) -> bool:
        """Whether a model of that name is configured."""
        return name in self._models

    def versions(self, name: str) -> list[Version]:
        """Returns the versions of a configured model, in no order."""
        return list(self._models[name].versions.values())

    def find(self, spec) -> Version:
        """Returns the AVAILABLE version that a ModelSpec names.

        Raises:
            StatusError: INVALID_ARGUMENT or NOT_FOUND, in TF Serving's order and words.
        """
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        model = self._models.get(spec.name)
        # A version that is present with value 0 is version 0, not the latest.
        wanted = spec.version.value if spec.HasField("version") else None
        if spec.WhichOneof("version_choice") == "version_label":
            if model is None or spec.version_label not in model.labels:
                raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
            wanted = model.labels[spec.version_label]
        if wanted is None:
            available = model.available() if model else []
            if not available:
                raise not_found(f"Servable not found for request: Latest({spec.name})")
            return max(available, key=lambda version: version.number)
        version = model.versions.get(wanted) if model else None
        if version is None or version.state != State.AVAILABLE:
            raise not_found(f"Servable not found for request: Specific({spec.name}, {wanted})")
        return version

    @contextlib.contextmanager
    def held(self, spec) -> Iterator[Version]:
        """Keeps the version that `find` returns loaded while a request uses it."""
        version = self.find(spec)
        version.callers += 1
        try:
            yield version
        finally:
            version.callers -= 1
            if not version.callers:
                version.idle.set()

    def status(self, spec) -> list[Version]:
        """Returns the versions of a model, the highest first, or the one that `spec` names.

        Raises:
            StatusError: NOT_FOUND.
        """
        model = self._models.get(spec.name) or self._retired.get(spec.name)
        versions = model.versions if model else {}
        if spec.HasField("version"):
            number = spec.version.value
            if number not in versions:
                raise not_found(f"Could not find version {number} of model {spec.name}")
            return [versions[number]]
        if not versions:
            raise not_found(f"Could not find any versions of model {spec.name}")
        return [versions[number] for number in sorted(versions, reverse=True)]

    async def apply(self, configs: Configs) -> None:
        """Serves `configs` in place of what was configured before.

        Returns when every version of the models that are new has been tried.

        Raises:
            StatusError: a platform changed, or a label cannot be assigned.
        """
        for name, config in configs.items():
            known = self._models.get(name)
            before = known.config.platform if known else config.platform
            if config.platform != before:
                raise invalid_argument(
                    f"Illegal to change a model's platform. For model {name} platform was {before}"
                    f" and new platform requested is {config.platform}"
                )
        new = [name for name in configs if name not in self._models]
        for name in self._models.keys() - configs.keys():
            self._drop(name)
        for name, config in configs.items():
            if name in self._models:
                self._models[name].config = config
            else:
                model = self._retired.pop(name, None) or _Model(config)
                model.config, model.labels = config, {}
                self._models[name] = model
        await self.poll()
        for name in new:
            tried = self._models[name].versions if name in self._models else {}
            for version in list(tried.values()):
                await version.tried.wait()
        errors = [self._assign_labels(model) for model in self._models.values()]
        for error in filter(None, errors):
            raise error

    async def poll(self) -> None:
        """Looks at each base path, and starts to load and unload what that asks for.

        A base path that cannot be read leaves its model as it is.
        """
        for name, model in list(self._models.items()):
            path = model.config.base_path
            try:
                # In a thread: the disk may be slow, or far away.
                found = await asyncio.to_thread(versions_at, path)
            except OSError as error:
                self._note_poll(name, f"{path}: {error.strerror or error}")
                continue
            self._note_poll(name, "" if found else f"{path} has no version")
            if self._models.get(name) is model and model.config.base_path == path:
                self._aspire(name, model, found)

    def _note_poll(self, name: str, problem: str) -> None:
        if problem and self._poll_errors.get(name) != problem:
            log("warning", "base_path", model=name, problem=problem)
        self._poll_errors[name] = problem

    def _aspire(self, name: str, model: _Model, found: Mapping[int, Path]) -> None:
        chosen = model.config.policy.choose(found)
        for number, version in model.versions.items():
            if number not in chosen and version.aspired:
                version.aspired = False
                version.unwanted.set()
        for number in sorted(chosen, reverse=True):
            known = model.versions.get(number)
            if known is None or (not known.aspired and known.state in (State.UNLOADING, State.END)):
                model.versions[number] = version = Version(number, found[number])
                self._start(self._load(name, model, version))
            elif known.state in (State.START, State.LOADING, State.AVAILABLE):
                known.aspired = True
                known.unwanted.clear()
        self._unload_surplus(model)
        ended = [v for v in model.versions.values() if v.state == State.END and not v.aspired]
        for version in sorted(ended, key=lambda v: v.number)[:-_ENDED_KEPT]:
            del model.versions[version.number]

    def _drop(self, name: str) -> None:
        """Unloads a model that is no longer configured; its versions stay listed."""
        model = self._retired[name] = self._models.pop(name)
        for version in model.versions.values():
            version.aspired = False
            version.unwanted.set()
        self._unload_surplus(model)
        self._on_change(name, False)

    def _unload_surplus(self, model: _Model) -> None:
        """Unloads what is not aspired, unless it serves in place of what has yet to come."""
        aspired = [version for version in model.versions.values() if version.aspired]
        if aspired and not any(version.state == State.AVAILABLE for version in aspired):
            return
        for version in model.available():
            if not version.aspired:
                version.state = State.UNLOADING
                self._start(self._unload(model, version))

    async def _load(self, name: str, model: _Model, version: Version) -> None:
        loop = asyncio.get_running_loop()
        log("info", "state", model=name, version=version.number, state="START")
        version.state = State.LOADING
        log("info", "state", model=name, version=version.number, state="LOADING")
        begun = time.monotonic()
        for attempt in range(self._loading.retries + 1):
            if attempt:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(version.unwanted.wait(), self._loading.retry_seconds)
            if version.unwanted.is_set() and not version.aspired:
                break
            try:
                servable = await loop.run_in_executor(
                    self._pool, self._loading.load, name, version.path
                )
            except Exception as error:  # any failure costs this version only
                version.error = (
                    error
                    if isinstance(error, StatusError)
                    else failed_precondition(f"{type(error).__name__}: {error}")
                )
                log(
                    "error",
                    "load_failed",
                    model=name,
                    version=version.number,
                    attempt=attempt + 1,
                    of=self._loading.retries + 1,
                    message=version.error.message,
                )
                version.tried.set()
                continue
            version.servable = servable
            version.batcher = self._loading.batcher(name)
            version.error = None
            version.state = State.AVAILABLE
            log(
                "info",
                "state",
                model=name,
                version=version.number,
                state="AVAILABLE",
                seconds=round(time.monotonic() - begun, 3),
                signatures=",".join(servable.signatures),
            )
            break
        else:
            version.state = State.END
        if version.state == State.LOADING:
            version.state = State.END
        if version.state == State.END:
            log("info", "state", model=name, version=version.number, state="END")
        version.tried.set()
        if self._models.get(name) is not model:  # dropped meanwhile
            version.aspired = False
        if version.state == State.AVAILABLE:
            self._assign_labels(model)
        self._unload_surplus(model)
        self._changed(name)

    async def _unload(self, model: _Model, version: Version) -> None:
        name = model.config.name
        log("info", "state", model=name, version=version.number, state="UNLOADING")
        self._changed(name)
        while version.callers:
            version.idle.clear()
            await version.idle.wait()
        servable, batcher = version.servable, version.batcher
        version.servable = version.batcher = None
        if batcher is not None and servable is not None:
            await batcher.close()
            await asyncio.get_running_loop().run_in_executor(self._pool, servable.close)
        version.state = State.END
        log("info", "state", model=name, version=version.number, state="END")

    def _changed(self, name: str) -> None:
        model = self._models.get(name)
        self._on_change(name, bool(model and model.available()))

    def _assign_labels(self, model: _Model) -> StatusError | None:
        """Assigns the configured labels; returns why the first that cannot be assigned cannot be.

        Such a label keeps its version, if it has one, and is assigned when the new one is loaded.
        """
        available = {version.number for version in model.available()}
        error = None
        labels = {}
        for label, number in model.config.labels.items():
            is_new = label not in model.labels
            if number in available or (self._loading.labels_for_unavailable and is_new):
                labels[label] = number
                continue
            if not is_new:
                labels[label] = model.labels[label]
            if labels.get(label) != number and error is None:
                error = failed_precondition(
                    f"Request to assign label to version {number} of model {model.config.name},"
                    " which is not currently available for inference"
                )
        model.labels = labels
        return error

    def _start(self, work) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
