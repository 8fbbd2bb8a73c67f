"""Writes DIR/<model>/<version>/: a SavedModel that TF Serving loads unchanged."""

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

from export import codecs, parity
from export.atomic import MANIFEST, check_name, fresh_version
from export.signatures import image_to_image, noise_to_image
from zoo import GAN
from zoo.core.image_to_image import ImageToImage
from zoo.core.storage import expanded, sha256, write_json
from zoo.pictures.images import encode_png
from zoo.pictures.marks import Mark

# TF Serving replays these before a version takes traffic.
WARMUP_FILE = "tf_serving_warmup_requests"
WARMUP_BATCHES = (1, 8, 32)


def export(gan: GAN, to: str | os.PathLike[str], name: str, *, source: str) -> pathlib.Path:
    """Exports a model as the next version.

    Args:
        gan: The model; its EMA generator is what is exported.
        to: Folder of models; created if needed.
        name: The model's name for its clients.
        source: The preset or run that the model came from, for the manifest.

    Returns:
        The version's folder, `to/name/<version>`.

    Raises:
        ExportError: The folder cannot be written, the disk is full, or the export does not equal
            the model. Earlier versions are unchanged.
    """
    check_name(name)
    mark = dataclasses.replace(gan.mark, model=name)
    with fresh_version(expanded(to) / name, tf.errors.OpError) as fresh:
        if isinstance(gan, ImageToImage):
            # Rows run one at a time: larger batches have nothing more to warm up.
            batches: Sequence[int] = (1,)
            size, limits = gan.source_shape, _limits(gan.scale)
            gan.translated(np.zeros([1, *size], np.uint8))  # settles it, if needed
            signatures = image_to_image(gan, mark)
        else:
            batches = WARMUP_BATCHES
            size, limits = gan.image_shape, {}
            gan.generate(1, seed=0)
            signatures = noise_to_image(gan, mark)
        _save(signatures, fresh.folder)
        _write_warmup(signatures, name, fresh.folder, batches, size)
        difference = parity.check(gan, fresh.folder, mark)
        _write_manifest(signatures, fresh.folder, mark, source, difference, limits)
        return fresh.publish()


def _save(signatures: dict[str, Any], folder: pathlib.Path) -> None:
    module = tf.Module()
    # Concrete, or TensorFlow would trace each once more.
    concrete = {name: s.get_concrete_function() for name, s in signatures.items()}
    # Only what the signatures reach: no optimizers, no training graph.
    reached = [v for function in concrete.values() for v in function.graph.variables]
    module.variables_reached = list({id(v): v for v in reached}.values())
    tf.saved_model.save(module, str(folder), signatures=concrete)


def _limits(scale: int) -> dict[str, Any]:
    """The limits of the signatures, for the manifest."""
    return {
        "limits": {
            "pixels_of_an_output": codecs.MAX_PIXELS,
            "side_of_an_output": codecs.MAX_SIDE,
            "scale": scale,
        }
    }


def _write_warmup(
    signatures: dict[str, Any],
    model: str,
    folder: pathlib.Path,
    batches: Sequence[int],
    size: tuple[int, ...],
) -> None:
    """One request for each signature and batch size, in the format of TF Serving's log.

    Args:
        signatures: By name.
        model: Name of the model.
        folder: The version's.
        batches: Rows of a request.
        size: [H, W, C] of an image, or [H, W] of a map, whose H and W a signature leaves open; and
            of picture files.
    """
    path = folder / "assets.extra" / WARMUP_FILE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for key, signature in signatures.items():
            for batch in batches:
                request = predict_pb2.PredictRequest(
                    model_spec=model_pb2.ModelSpec(name=model, signature_name=key)
                )
                for spec in signature.input_signature:
                    if spec.dtype == tf.string:
                        picture = np.zeros((*size, 1)[:3], np.uint8)  # a map has a channel there
                        values: Any = [encode_png(picture)] * batch
                    else:
                        shape = [
                            size[axis] if side is None else side
                            for axis, side in enumerate(spec.shape[1:])
                        ]
                        values = np.zeros([batch, *shape], spec.dtype.as_numpy_dtype)
                    request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(values))
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())


def _write_manifest(
    signatures: dict[str, Any],
    folder: pathlib.Path,
    mark: Mark,
    source: str,
    difference: float,
    limits: dict[str, Any],
) -> None:
    described = {
        key: {
            "inputs": _describe({spec.name: spec for spec in signature.input_signature}),
            "outputs": _describe(signature.get_concrete_function().structured_outputs),
        }
        for key, signature in signatures.items()
    }
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    write_json(
        folder / MANIFEST,
        {
            "model": mark.model,
            "mark": dataclasses.asdict(mark),
            "source": source,
            "signatures": described,
            **limits,
            "max_difference_from_live_model": difference,
            "tensorflow": tf.__version__,
            "sha256": {str(path.relative_to(folder)): sha256(path) for path in files},
        },
    )


def _describe(specs: dict[str, tf.TensorSpec]) -> dict[str, dict[str, Any]]:
    return {
        name: {"dtype": spec.dtype.name, "shape": spec.shape.as_list()}
        for name, spec in sorted(specs.items())
    }
