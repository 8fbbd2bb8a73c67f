"""Exports for runtimes other than TensorFlow: DIR/<model>/<format>/<version>/.

A version holds one file for each function (a pair of files with OpenVINO), and `manifest.json`.
`zoo.runtime` reads it without TensorFlow. TF Serving ignores the folder <format>, whose name is
not a number, so all formats share one DIR.

Functions of a GAN from noise to images:

    from_latents: latents f32 [N, z] (+ labels) (+ truncation f32 [N], NaN for none) -> images
    generate:     seed i64 [N] (+ labels, -1 for one drawn from the seed) (+ truncation) -> images
                  (ONNX alone)

and of one from images to images, in each direction, as `translate`, `upscale`, `a_to_b`:

    images f32 [N, H, W, C] in [-1, 1] -> images; of a label map: label_map u8 [N, H, W]

The output is `generated`: images f32 [N, H, W, C] in [-1, 1].
"""

import dataclasses
import importlib
import importlib.util
import os
import pathlib
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf
import tensorflow.experimental.numpy as tnp

from export.atomic import MANIFEST, ExportError, check_name, fresh_version
from export.parity import ParityError
from export.signatures import Signature, signature
from zoo import GAN
from zoo.core import philox, runtime
from zoo.core.conditions import Embedding, Labels, rows_like
from zoo.core.image_to_image import ImageToImage
from zoo.core.storage import expanded, sha256, write_json

# Format -> what its export needs besides TensorFlow.
NEEDS = {
    "onnx": ("tf2onnx", "onnxruntime"),
    "openvino": ("tf2onnx", "openvino"),
    "litert": ("ai_edge_litert",),
}
TOLERANCE = 1e-4
# With weights in float16, whose relative error is 5e-4.
FLOAT16_TOLERANCE = 0.05
SEEDS = 8


def check_format(format: str) -> None:
    """Raises `ExportError` where a package for `format` is missing."""
    missing = [name for name in NEEDS[format] if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(
            f"--format={format} needs {' and '.join(missing)}. From a clone, install them with: "
            f"pip install '.[{format}]'"
        )


def export(
    gan: GAN,
    to: str | os.PathLike[str],
    name: str,
    *,
    source: str,
    format: str,
    float16: bool = False,
) -> pathlib.Path:
    """Exports a model to a format as the next version, and compares it in the format's runtime.

    Args:
        gan: The model; its EMA generator is what is exported.
        to: Folder of models; created if needed.
        name: The model's name.
        source: The preset or run that the model came from, for the manifest.
        format: "onnx", "openvino" or "litert".
        float16: Stores the weights in half the bytes; the runtime computes in float32.

    Returns:
        The version's folder, `to/name/format/<version>`.

    Raises:
        ExportError: A package is missing, or the folder cannot be written.
        ParityError: The runtime's images differ from the model's.
    """
    check_name(name)
    check_format(format)
    converter = importlib.import_module(f"export.{format}")
    latents = _latents(gan)
    with fresh_version(expanded(to) / name / format, tf.errors.OpError) as fresh:
        functions = _functions(gan, latents if format == "onnx" else None)
        try:
            files = _write(converter.write, functions, fresh.folder, float16)
        except ValueError as error:
            # A network that LiteRT does not have at every size may be there at the training size.
            if format != "litert" or not isinstance(gan, ImageToImage):
                raise ExportError(
                    f"{type(gan).__name__} cannot be converted to {format}. Received: "
                    f"{_first_line(error)} No version was written."
                ) from error
            functions = _functions(gan, None, any_size=False)
            files = _write(converter.write, functions, fresh.folder, float16)
        manifest = {
            "model": name,
            "mark": dataclasses.asdict(dataclasses.replace(gan.mark, model=name)),
            "source": source,
            "format": format,
            "float16_weights": float16,
            "task": gan.task if isinstance(gan, ImageToImage) else "generate",
            "image_shape": list(gan.image_shape),
            "latents": latents,
            "condition": _condition(gan),
            "truncates": getattr(gan, "truncates", False),
            "functions": {
                key: {
                    "file": files[key],
                    "inputs": {
                        spec.name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
                        for spec in function.input_signature
                    },
                }
                for key, function in functions.items()
            },
        }
        write_json(fresh.folder / MANIFEST, manifest)
        difference = _compare(gan, fresh.folder, FLOAT16_TOLERANCE if float16 else TOLERANCE)
        written = sorted(path for path in fresh.folder.iterdir() if path.name != MANIFEST)
        manifest |= {
            "max_difference_from_live_model": difference,
            "measured_with": f"{converter.RUNTIME} {converter.runtime_version()}",
            "tensorflow": tf.__version__,
            "sha256": {path.name: sha256(path) for path in written},
        }
        write_json(fresh.folder / MANIFEST, manifest)
        return fresh.publish()


def _write(
    write: Callable[[Signature, pathlib.Path, bool], str],
    functions: dict[str, Signature],
    folder: pathlib.Path,
    float16: bool,
) -> dict[str, str]:
    """Writes each function; returns the files' names.

    Raises:
        ValueError: A converter gave up.
    """
    try:
        return {key: write(function, folder / key, float16) for key, function in functions.items()}
    except (RuntimeError, TypeError) as error:
        raise ValueError(str(error)) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _functions(gan: GAN, seeded: Any, *, any_size: bool = True) -> dict[str, Signature]:
    """The functions of a model by name.

    Args:
        gan: The model.
        seeded: How latents are drawn, where there is to be a `generate`; or None.
        any_size: Whether pictures may have any size, not just the training size.
    """
    if isinstance(gan, ImageToImage):
        gan.translated(np.zeros([1, *gan.source_shape], np.uint8))  # settles it, if needed
        return {
            direction or gan.task: _translation(gan, direction, any_size)
            for direction in gan.directions or (None,)
        }
    gan.generate(1, seed=0)
    given = [] if gan.condition is None else [gan.condition.spec]
    given += [tf.TensorSpec([None], tf.float32, name="truncation")] if gan.truncates else []

    def images(latents: tf.Tensor, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        condition = None if gan.condition is None else inputs[gan.condition.argument]
        return {"generated": gan.images_from(latents, condition, inputs.get("truncation"))}

    def from_latents(latents: tf.Tensor, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return images(latents, inputs)

    def generate(seed: tf.Tensor, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        if gan.condition is not None:
            name = gan.condition.argument
            drawn = _drawn_condition(gan.condition, seed)
            inputs[name] = gan.condition.filled(inputs[name], drawn)
        latents = runtime.draw_latents(seeded, seed, gan.latent_dim, tnp)
        return images(latents, inputs)

    latents = tf.TensorSpec([None, gan.latent_dim], tf.float32, name="latents")
    functions = {"from_latents": signature(from_latents, latents, *given)}
    if seeded is not None:
        seed = tf.TensorSpec([None], tf.int64, name="seed")
        functions["generate"] = signature(generate, seed, *given)
    return functions


def _translation(gan: ImageToImage, direction: str | None, any_size: bool) -> Signature:
    source = gan.source_of(direction)
    paints = gan.task == "paint"
    spec = source.given_spec if paints else source.spec
    if not any_size:
        spec = tf.TensorSpec([None, *source.shape(*gan.source_shape[:2])], spec.dtype, spec.name)

    def translate(**given: tf.Tensor) -> dict[str, tf.Tensor]:
        (taken,) = given.values()
        taken = source.from_uint8(taken) if paints else taken
        return {"generated": gan.made_from(taken, direction=direction)}

    return signature(translate, spec)


def _drawn_condition(condition: Any, seed: tf.Tensor) -> tf.Tensor:
    if isinstance(condition, Labels):
        return tf.cast(philox.integers(seed, 1, condition.num_classes, tnp), tf.int32)
    return philox.normal(seed, 1, condition.dim, tnp)


def _condition(gan: GAN) -> dict[str, Any] | None:
    """How `zoo.runtime` draws and checks the condition."""
    condition = None if isinstance(gan, ImageToImage) else gan.condition
    if condition is None:
        return None
    if isinstance(condition, Labels):
        return {"argument": "labels", "num_classes": condition.num_classes}
    if isinstance(condition, Embedding):
        return {"argument": "embeddings", "dim": condition.dim}
    raise ExportError(
        f"A portable export takes labels or embeddings. Received: {type(condition).__name__}."
    )


def _latents(gan: GAN) -> dict[str, Any] | None:
    """How a model draws its latents: recognised by comparing what it draws.

    Raises:
        ExportError: Neither normal nor uniform numbers: a runtime could not draw them again.
    """
    if isinstance(gan, ImageToImage):
        return None
    seeds = np.arange(-1, 7, dtype=np.int64) * 2**40 + 1
    drawn = gan.latents_from_seeds(tf.constant(seeds)).numpy()
    # Two numbers decide a uniform distribution.
    unit = philox.uniform(seeds, 0, gan.latent_dim, 0.0, 1.0)
    width = float(np.ptp(drawn)) / float(np.ptp(unit))
    low = float(drawn.flat[0]) - width * float(unit.flat[0])
    candidates: list[dict[str, Any]] = [
        {"distribution": "normal"},
        {"distribution": "uniform", "low": low, "high": low + width},
    ]
    for candidate in candidates:
        again = runtime.draw_latents(candidate, seeds, gan.latent_dim)
        if np.allclose(again, drawn, atol=1e-5):
            return candidate
    raise ExportError(
        f"{type(gan).__name__}.draw_latents must draw one normal or uniform number for each "
        "component, from `tf.random.stateless_normal` or `stateless_uniform` with alg='philox': "
        "other runtimes draw the same. Received: other numbers."
    )


def _compare(gan: GAN, folder: pathlib.Path, tolerance: float) -> float:
    """The largest difference between the runtime's images and the live model's."""
    exported = runtime.Runtime(folder)
    largest = 0.0
    translates = isinstance(gan, ImageToImage)
    for key, inputs, live in (_expected_translations if translates else _expected)(gan, exported):
        made = exported.run(key, inputs)
        difference = float(np.max(np.abs(made - live))) if made.shape == live.shape else np.inf
        if not difference <= tolerance:  # NaN too
            raise ParityError(
                f"The exported function {key!r} must equal the model within {tolerance:g} in "
                f"{exported.format}. Received: a difference of {difference:.3g}. Nothing was "
                "exported."
            )
        largest = max(largest, difference)
    return largest


Expected: TypeAlias = list[tuple[str, dict[str, np.ndarray], np.ndarray]]


def _expected(gan: GAN, exported: runtime.Runtime) -> Expected:
    """(function, inputs, the live model's images) of what is compared."""
    seeds = np.arange(SEEDS, dtype=np.int64) - 2
    some = np.arange(SEEDS) % 2 == 0
    latents = gan.latents_from_seeds(tf.constant(seeds))
    given, partly = {}, {}  # every row's condition; that of some, the others from their seeds
    condition = some_of_it = None
    if gan.condition is not None:
        condition = gan.condition.draw([SEEDS], [SEEDS, 1])
        some_of_it = tf.where(rows_like(some, condition), condition, gan.condition.any_value)
        given[gan.condition.argument] = condition.numpy()
        partly[gan.condition.argument] = some_of_it.numpy()
    truncation = None
    if gan.truncates:
        truncation = np.where(some, 0.5, np.nan).astype(np.float32)
        given["truncation"] = partly["truncation"] = truncation
    live = gan.images_from(latents, condition, truncation).numpy()
    cases = [("from_latents", {"latents": latents.numpy(), **given}, live)]
    if "generate" in exported.functions:
        live = gan.images_from_seeds(tf.constant(seeds), some_of_it, truncation).numpy()
        cases.append(("generate", {"seed": seeds, **partly}, live))
    return cases


def _expected_translations(gan: ImageToImage, exported: runtime.Runtime) -> Expected:
    """As `_expected`: two images of the training size, and one of another where that is open."""
    cases = []
    height, width = gan.source_shape[:2]
    for direction in gan.directions or (None,):
        key = direction or gan.task
        source: Any = gan.source_of(direction)
        paints = gan.task == "paint"
        for n, more in ((2, 0), (1, 16)) if exported.any_size(key) else ((2, 0),):
            shape = [n, *source.shape(height + more, width)]
            limit = source.num_classes if paints else 256
            given = np.random.default_rng(0).integers(0, limit, shape, np.uint8)
            taken = source.from_uint8(tf.constant(given))
            live = gan.made_from(taken, direction=direction).numpy()
            cases.append((key, {source.argument: given if paints else taken.numpy()}, live))
    return cases
