"""Which models are served, and which of their versions: TF Serving's ModelServerConfig."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from serving.server.base_path import models_below
from serving.server.status import StartError, StatusError, invalid_argument

PLATFORM = "tensorflow"
_PARSE_ERROR = "Error parsing text-format tensorflow.serving.ModelServerConfig"


@dataclasses.dataclass(frozen=True)
class Policy:
    """Which versions of a base path are served.

    Attributes:
        latest: how many, counted from the highest number; None for all, or for `specific`.
        specific: the numbers to serve, where they exist.
    """

    latest: int | None = 1
    specific: frozenset[int] | None = None

    def choose(self, versions: Iterable[int]) -> set[int]:
        """Returns the numbers of `versions` that are to be served."""
        if self.specific is not None:
            return set(self.specific) & set(versions)
        ordered = sorted(versions, reverse=True)
        return set(ordered if self.latest is None else ordered[: self.latest])


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model: its name, where its versions lie, which are served, and their labels."""

    name: str
    base_path: Path
    policy: Policy = Policy()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    platform: str = PLATFORM


Configs = dict[str, ModelConfig]


def of_folder(root: str) -> Callable[[], Configs]:
    """Returns what reads the models of `--models`: every `root/<model>/<version>/`."""

    def read() -> Configs:
        found = models_below(Path(root).absolute())
        return {name: ModelConfig(name, path) for name, path in found.items()}

    return read


def of_file(path: str) -> Callable[[], Configs]:
    """Returns what reads the models of `--model_config_file`.

    It raises `StatusError` or OSError.
    """

    def read() -> Configs:
        config = model_server_config_pb2.ModelServerConfig()
        try:
            text_format.Parse(Path(path).read_bytes(), config)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())
            raise invalid_argument(f"{_PARSE_ERROR}: {path}:{reason}") from error
        return read_proto(config)

    return read


def first(read: Callable[[], Configs], path: str) -> Configs:
    """Returns the configuration at the start.

    Raises:
        StartError: it cannot be read.
    """
    try:
        return read()
    except StatusError as error:
        raise StartError(error.message) from error
    except OSError as error:
        raise StartError(
            f"The model configuration must be a file that can be read. Received: {path}:"
            f" {error.strerror or error}"
        ) from error


def read_proto(config: model_server_config_pb2.ModelServerConfig) -> Configs:
    """Returns the models that a ModelServerConfig lists.

    Raises:
        StatusError: INVALID_ARGUMENT, in TF Serving's words.
    """
    if config.WhichOneof("config") != "model_config_list":
        raise invalid_argument(
            "ServerModelConfig type not supported by HandleReloadConfigRequest. Only"
            " ModelConfigList is currently supported"
        )
    configs: Configs = {}
    for entry in config.model_config_list.config:
        if not entry.name or "/" in entry.name or entry.name in (".", ".."):
            raise invalid_argument(
                f"A model's name must not be empty and must have no '/'. Received: {entry.name!r}"
            )
        if entry.name in configs:
            raise invalid_argument(
                f"Illegal to list model {entry.name} multiple times in config list"
            )
        if not entry.base_path.startswith("/"):
            raise invalid_argument(
                f"Expected model {entry.name} to have an absolute path or URI; got"
                f" base_path()={entry.base_path}"
            )
        platform = entry.model_platform
        if not platform and entry.model_type == model_server_config_pb2.TENSORFLOW:
            platform = PLATFORM
        if not platform:
            raise invalid_argument(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor"
                " ModelServerConfig::model_platform."
            )
        policy = _read_policy(entry.name, entry.model_version_policy)
        labels = dict(entry.version_labels)
        configs[entry.name] = ModelConfig(
            entry.name, Path(entry.base_path), policy, labels, platform
        )
    return configs


def _read_policy(name, proto) -> Policy:
    kind = proto.WhichOneof("policy_choice")
    if kind == "all":
        return Policy(latest=None)
    if kind == "specific":
        if not proto.specific.versions:
            raise invalid_argument(
                f"A specific version policy must name at least one version. Received: none for"
                f" model {name}"
            )
        return Policy(latest=None, specific=frozenset(proto.specific.versions))
    # 0 is the field's default, and means one version.
    return Policy(latest=proto.latest.num_versions or 1)
