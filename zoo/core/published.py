"""Published checkpoints become presets.

A family's `published.py` says which files are its own, what configuration they are of, and which
array is which of our variables: rows of (paper, here, theirs, layout). Here is what families share:
the layouts, `read`, which asks the families, and `write`, which fills the networks and writes the
preset. Every array of a file must be used, or named as unused, and every variable must be filled.
"""

import dataclasses
import fnmatch
import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.core import readers, stages, storage
from zoo.core.presets import FAMILIES, PresetError, family_class, package_of
from zoo.core.readers import Checkpoint, CheckpointError

Layout = Callable[[np.ndarray], np.ndarray]

ARRAYS = (readers.pickles.Tensor, readers.pickles.Array, np.ndarray)

# Keys of files that hold more than a state dict, under which G's is; averaged weights first.
WRAPPERS = ("G_ema", "params_ema", "G", "generator", "netG", "params", "state_dict")
WRAPPERS += ("model_state_dict", "model")
# DataParallel's prefix of all names.
PREFIX = "module."

# Groups of generated images from which D's minibatch statistic is taken, and the most in a group.
GROUPS = 2
LARGEST_GROUP = 32
# Side of the images for which it is measured: at 1,024 px eight of them take two minutes of CPU.
LARGEST_DRAWN = 256

NO_LICENCE = (
    "not stated. Many published weights are for research only, and their pictures with them: see "
    "what their publisher says, and state it with --licence."
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One array of a checkpoint and where it goes.

    Attributes:
        paper: Its symbol or name in the paper.
        ours: The path of our variable: names of layers, of attributes, places in lists.
        theirs: Its name in the file; a value in place of one is written as it is.
        layout: From their layout to ours.
    """

    paper: str
    ours: str
    theirs: Any
    layout: Layout = np.asarray


@dataclasses.dataclass(frozen=True)
class Network:
    """What fills one of our networks.

    Attributes:
        tensors: The arrays of the file, by their names.
        rows: Which array is which of our variables.
        unused: Patterns of arrays that no use is made of.
        ours_alone: Patterns of our variables that no published file has.
    """

    tensors: Mapping[str, np.ndarray]
    rows: Sequence[Row]
    unused: Sequence[str] = ()
    ours_alone: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Published:
    """A checkpoint that a family knows.

    Attributes:
        family: Key of `FAMILIES`.
        code: The code that wrote it.
        config: The constructor's arguments.
        generator: What fills the generator.
        discriminator: What fills the discriminator; None where the files hold none.
        notes: What was inferred and not read, a sentence each.
        finish: What is computed once the networks are filled.
    """

    family: str
    code: str
    config: dict[str, Any]
    generator: Network
    discriminator: Network | None
    notes: Sequence[str] = ()
    finish: Callable[[Any], None] | None = None


# ---- layouts


def dense(array: np.ndarray) -> np.ndarray:
    """PyTorch's [out, in] -> [in, out]."""
    return array.T


def conv(array: np.ndarray) -> np.ndarray:
    """PyTorch's [out, in, h, w] -> [h, w, in, out]; of a transposed one [in, out, h, w] likewise.

    (Keras keeps the kernel of a transposed convolution as [h, w, out, in].)
    """
    return array.transpose(2, 3, 1, 0)


def turned(array: np.ndarray) -> np.ndarray:
    """A kernel [h, w, ...] turned by 180 degrees."""
    return array[::-1, ::-1]


def flat(array: np.ndarray) -> np.ndarray:
    """All numbers in a row."""
    return array.reshape(-1)


def folded(kernel: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """W / sigma of PyTorch's spectral norm, sigma = u . W v with both stored vectors."""
    matrix = kernel.reshape(len(kernel), -1).astype(np.float64)
    sigma = u.astype(np.float64).reshape(-1) @ matrix @ v.astype(np.float64).reshape(-1)
    return (kernel / sigma).astype(np.float32)


# ---- configurations


def shape_of(tensors: Mapping[str, np.ndarray], name: str, axes: int) -> tuple[int, ...]:
    """The shape of an array that must be there.

    Raises:
        CheckpointError: It is not, or it has another number of axes.
    """
    if name not in tensors:
        raise CheckpointError(f"The checkpoint must hold {name!r}. Received: no such array.")
    if tensors[name].ndim != axes:
        raise CheckpointError(
            f"{name!r} of the checkpoint must have {axes} axes. Received: "
            f"{list(tensors[name].shape)}."
        )
    return tensors[name].shape


def count(tensors: Mapping[str, np.ndarray], pattern: str, start: int = 0) -> int:
    """How many of `pattern.format(start)`, `pattern.format(start + 1)`, ... there are."""
    found = start
    while pattern.format(found) in tensors:
        found += 1
    return found - start


def feature_maps(maps: Mapping[int, int]) -> tuple[int, int]:
    """(fmap_base, fmap_max) with which there are so many feature maps at each resolution.

    The bases that do are many where 2 fmap_base / resolution is not whole: the least is taken.

    Raises:
        CheckpointError: There are none: maps must be 2 fmap_base / resolution, and at most
            fmap_max.
    """
    most = max(maps.values())
    # The least base that gives enough at every resolution; 1 is had from any, as it is the minimum.
    base = max(found * r // 2 for r, found in maps.items() if found > 1 or most == 1)
    if any(found != max(1, min(2 * base // r, most)) for r, found in maps.items()):
        raise CheckpointError(
            "Feature maps must halve where the resolution doubles, from a maximum on. "
            f"Received: {dict(sorted(maps.items()))}."
        )
    return base, most


def resolution_of(last: int, least: int = 4) -> int:
    """`last`, if it is a power of two that images may have."""
    if not least <= last <= 4096 or last & (last - 1):
        raise CheckpointError(
            f"The resolution must be a power of two from {least} to 4096. Received: {last}."
        )
    return last


def images_shown(lod: float, first: int, last: int, stable: int, fade: int) -> tuple[int, str]:
    """Images after which a growing network is at a level of detail, and a sentence on it.

    Args:
        lod: 0 for a whole network, 1 for half its resolution; .25 while the last block has an
            alpha of .75.
        first, last, stable, fade: Of the schedule, `zoo.core.stages.Schedule`.
    """
    schedule = stages.Schedule(first, last, stable, fade)
    if not 0 <= lod <= (last // first).bit_length() - 1:
        raise CheckpointError(f"lod must be that of a stage. Received: {lod}.")
    resolution = last >> int(lod)
    share = 1.0 - lod % 1.0 if lod % 1.0 else 0.0
    (stage,) = (s for s in schedule.stages if (s.resolution, s.fading) == (resolution, share > 0))
    shown = stage.begins + round(share * fade)
    return shown, f"Growth: lod={lod:g} is {stage.describe(shown)}."


def plain(state: Mapping[str, Any], name: str, kinds: Any, default: Any = None) -> Any:
    """A value of a module's state, if it is of a kind; arrays of one number count as numbers."""
    value = state.get(name, default)
    if isinstance(value, readers.pickles.Tensor | readers.pickles.Array) and not value.shape:
        value = value.array().item()
    if isinstance(value, bool) is not (kinds is bool) or not isinstance(value, kinds):
        kind = type(value).__name__
        raise CheckpointError(f"{name!r} of the checkpoint must be of its type. Received: {kind}.")
    return value


# ---- filling


def find(network: Any, path: str) -> Any:
    """The variable at a path: names of layers of a functional model, attributes, places.

    Raises:
        CheckpointError: The network has no such variable.
    """
    found = network
    for part in path.split("/"):
        if part.isdigit() and isinstance(found, list | tuple):
            found = found[int(part)] if int(part) < len(found) else None
        elif part in {layer.name for layer in getattr(found, "layers", [])}:
            found = found.get_layer(part)
        else:
            found = getattr(found, part, None)
        if found is None:
            raise CheckpointError(
                "The checkpoint's arrays must have places in the network. "
                f"Received: one for {path}, where there is none."
            )
    return found


def fill(network: Any, given: Network) -> None:
    """Gives every variable of a network its array.

    Raises:
        CheckpointError: An array that is missing, left over or of another shape; a variable that
            is left over.
    """
    unused = set(given.tensors)
    filled = set()
    for row in given.rows:
        variable = find(network, row.ours)
        if isinstance(row.theirs, str):
            if row.theirs not in given.tensors:
                raise CheckpointError(
                    f"The checkpoint must hold {row.theirs!r}. Received: no such array."
                )
            unused.discard(row.theirs)
            array = row.layout(given.tensors[row.theirs])
        else:
            array = np.asarray(row.theirs)
        if array.shape != tuple(variable.shape):
            raise CheckpointError(
                f"{row.theirs!r} must fit {row.ours} of shape {list(variable.shape)}. "
                f"Received: {list(array.shape)}."
            )
        array = np.array(array, variable.dtype, order="C")
        if not np.all(np.isfinite(array)):
            raise CheckpointError(f"{row.theirs!r} must be finite. Received: NaN or infinity.")
        variable.assign(array)
        filled.add(id(variable))
    rest = [name for name in sorted(unused) if not _matches(name, given.unused)]
    if rest:
        raise CheckpointError(
            f"Every array of the checkpoint must have a place. Received: {len(rest)} without one, "
            f"such as {rest[0][:100]!r}."
        )
    left = [
        variable.path
        for variable in network.weights
        if id(variable) not in filled and not _matches(variable.name, given.ours_alone)
    ]
    if left:
        raise CheckpointError(
            f"The checkpoint must fill the network. Received: nothing for {len(left)} of its "
            f"variables, such as {left[0]}."
        )


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


# ---- the conversion


def read(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
) -> tuple[Published, list[dict[str, str]]]:
    """What files hold, and what the card says of each; imports no TensorFlow.

    Raises:
        CheckpointError: A file that cannot be read or trusted, or that no family knows.
    """
    given = [files] if isinstance(files, str | os.PathLike) else list(files)
    paths = [storage.expanded(path) for path in given]
    if not paths:
        raise CheckpointError("There must be a file to convert. Received: none.")
    checkpoints, notes = [], []
    for path in paths:
        checkpoint, said = bare(readers.read(path))
        checkpoints.append(checkpoint)
        notes += said
    found = recognise(checkpoints)
    found = dataclasses.replace(found, notes=[*found.notes, *notes])
    hashes = {path.name: storage.sha256(path) for path in paths}
    return found, [{"file": name, "sha256": value} for name, value in hashes.items()]


def bare(checkpoint: Checkpoint) -> tuple[Checkpoint, list[str]]:
    """A checkpoint whose state dict is out of its wrapping, and whose names are without `PREFIX`.

    Returns:
        The checkpoint, and what the card says of the wrapping, a sentence; none where there is no
        wrapping.
    """
    content, notes = checkpoint.content, []
    if not isinstance(content, Mapping):
        return checkpoint, notes
    for key in WRAPPERS:
        inner = content.get(key)
        if isinstance(inner, Mapping) and any(isinstance(x, ARRAYS) for x in inner.values()):
            rest = [str(other)[:20] for other in content if other != key]
            more = f"; no use is made of {', '.join(rest[:8])}" if rest else ""
            notes.append(f"Of {checkpoint.path.name}, {key!r} is taken{more}.")
            content = inner
            break
    content = _without_prefix(content)
    content = {
        key: _without_prefix(value) if isinstance(value, Mapping) else value
        for key, value in content.items()
    }
    return dataclasses.replace(checkpoint, content=content), notes


def _without_prefix(state: Mapping[Any, Any]) -> Mapping[Any, Any]:
    if not all(isinstance(name, str) and name.startswith(PREFIX) for name in state):
        return state
    return {name.removeprefix(PREFIX): value for name, value in state.items()}


def write(
    found: Published,
    sources: list[dict[str, str]],
    to: str | os.PathLike[str],
    licence: str | None = None,
) -> list[str]:
    """Writes the preset of what `read` found; see `zoo.convert`."""
    folder = storage.expanded(to)
    if folder.exists() and not folder.is_dir():
        raise PresetError(f"A preset is written to a folder. Received: {folder}, which is a file.")
    alone = found.discriminator is None
    arguments = {**found.config, **({"generator_alone": True} if alone else {})}
    try:
        gan = family_class(found.family)(**arguments)
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"The checkpoint must be of a network that {FAMILIES[found.family]} has. "
            f"Received: {' '.join(str(error).split())}"
        ) from None
    fill(gan.ema_generator, found.generator)
    if found.discriminator is not None:
        fill(gan.discriminator, found.discriminator)
    if found.finish is not None:
        found.finish(gan)
    notes = list(found.notes)
    if not alone:
        notes += fill_minibatch_statistic(gan)
    if alone:
        notes.append("No discriminator is converted: the preset is a generator alone.")
    gan.save_to_preset(
        folder,
        card={
            "converted_from": {"files": sources, "code": found.code, "notes": notes},
            "licence": licence or NO_LICENCE,
        },
        samples=False,
    )
    return notes


def fill_minibatch_statistic(gan: Any) -> list[str]:
    """Gives D the minibatch statistic that it judges with, which no published file holds.

    It is the mean over a few groups of images that G draws from fixed seeds.

    Returns:
        What the card says of it, a sentence; none for a D without such a statistic.
    """
    from zoo.core.noise_to_image import with_condition
    from zoo.nn.layers import MinibatchStd

    layers = gan.discriminator._flatten_layers(include_self=False)
    found = [layer for layer in layers if isinstance(layer, MinibatchStd)]
    if not found:
        return []
    (layer,) = found
    side = gan.image_shape[0]
    if side > LARGEST_DRAWN:
        return [
            f"D's minibatch statistic is not in the file, and images of {side} px take too long to "
            "draw for it: discriminate takes it as 0, until D is trained."
        ]
    fade = {}
    if hasattr(gan, "schedule"):  # it grows: as D is at its stage
        shown = int(gan.discriminator.images_shown.numpy())
        fade = gan.fade(gan.discriminator, gan.schedule.at(shown))
    size = min(layer.group, LARGEST_GROUP)
    statistics = []
    momentum, layer.momentum = layer.momentum, 0.0  # it then holds the last batch's
    try:
        for start in range(0, GROUPS * size, size):
            seeds = np.arange(start, start + size, dtype=np.int64)
            condition = gan.fill_condition(None, seeds)
            inputs = with_condition(gan.latents_from_seeds(seeds), condition)
            images = gan.ema_generator(inputs, training=False, **fade)
            gan.discriminator(with_condition(images, condition), training=True, **fade)
            statistics.append(layer.running_mean.numpy())
    finally:
        layer.momentum = momentum
    layer.running_mean.assign(np.mean(statistics, axis=0))
    return [
        "D's minibatch statistic is not in the file: its mean over "
        f"{GROUPS * size} images of G, from seeds 0 to {GROUPS * size - 1}."
    ]


def recognise(checkpoints: Sequence[Checkpoint]) -> Published:
    """The family and the configuration of checkpoints; a D that no family has is left aside.

    Raises:
        CheckpointError: No family knows them, or the one that does cannot hold them.
    """
    packages = [package_of(family)[0] for family in FAMILIES]
    modules = [
        importlib.import_module(f"{package}.published")
        for package in packages
        if importlib.util.find_spec(f"{package}.published") is not None
    ]
    kept, notes = [], []
    for checkpoint in checkpoints:
        code = _code_of_discriminator(checkpoint, modules)
        if code is None:
            kept.append(checkpoint)
        else:
            notes.append(f"{checkpoint.path.name} is D of {code}, which is not converted.")
    names = ", ".join(checkpoint.path.name for checkpoint in checkpoints)
    if not kept:
        raise CheckpointError(f"A generator must be given: {notes[0]} Received: {names} alone.")
    for module in modules:
        found = module.recognise(kept)
        if found is not None:
            return dataclasses.replace(found, notes=[*found.notes, *notes])
    known = "; ".join(module.FORMATS for module in modules)
    raise CheckpointError(f"A checkpoint must be one of: {known}. Received: {names}.")


def _code_of_discriminator(checkpoint: Checkpoint, modules: Sequence[Any]) -> str | None:
    """The code of a D that no family of ours has; None of other files."""
    if not isinstance(checkpoint.content, Mapping):
        return None
    for module in modules:
        # Only modules of codes whose D is another network than ours say which files are one.
        if hasattr(module, "is_discriminator") and module.is_discriminator(checkpoint.content):
            return module.CODE
    return None
