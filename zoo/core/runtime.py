"""Runs portable exports (`python -m export --format=...`) without TensorFlow.

    model = zoo.runtime("models/clothes/onnx/1")
    images = model.generate(16, seed=0)      # uint8 [16, H, W, C], as `zoo.load(...).generate`

It needs NumPy and the format's runtime: onnxruntime, openvino or ai-edge-litert.
"""

import importlib
import json
import os
import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.core import philox
from zoo.core.storage import expanded
from zoo.pictures.marks import Mark

MANIFEST = "manifest.json"
# Format -> the package of its runtime.
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "ai-edge-litert"}
# Images made at a time; the memory of `generate` does not grow with n.
BATCH = 64


def draw_latents(how: dict[str, Any], seeds: Any, latent_dim: int, xp: Any = np) -> Any:
    """f32 [N, z] as a model draws them from int64 seeds [N].

    Args:
        how: The manifest's `latents`: {"distribution": "normal"}, or "uniform" with "low", "high".
        seeds: int64 [N].
        latent_dim: z.
        xp: As in `zoo.core.philox`.
    """
    if how["distribution"] == "normal":
        return philox.normal(seeds, 0, latent_dim, xp)
    return philox.uniform(seeds, 0, latent_dim, how["low"], how["high"], xp)


class Runtime:
    """An exported model in the runtime of its format.

    Args:
        path: The version's folder, or one of its files.

    Attributes:
        manifest: What the export says of itself.
        format: "onnx", "openvino" or "litert".
        functions: Names of its functions.
        mark: What files of its images say of their origin: `image.save(path, **mark.for_pillow())`.

    Raises:
        ValueError: No export, or one of another kind.
        ImportError: The runtime's package is missing.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        given = expanded(path)
        self._folder = given if given.is_dir() else given.parent
        try:
            manifest = json.loads((self._folder / MANIFEST).read_text(encoding="utf-8-sig"))
            self.format: str = manifest["format"]
            self.functions: tuple[str, ...] = tuple(manifest["functions"])
            package = PACKAGES[self.format]
            self.mark = Mark(**manifest.get("mark", {"model": manifest["model"], "version": "?"}))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"zoo.runtime takes a version that `python -m export --format=onnx` wrote, or a "
                f"file in it, with its {MANIFEST}. Received: {given} ({error!r})."
            ) from error
        self.manifest: dict[str, Any] = manifest
        try:
            self._load = _LOADERS[self.format]
            importlib.import_module(package.replace("-", "_"))
        except ImportError as error:
            raise ImportError(
                f"A model in {self.format} needs the package {package}. Install it with: "
                f"pip install {package}"
            ) from error
        self._loaded: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<{self.manifest['model']} in {self.format}: {', '.join(self.functions)}>"

    def run(self, function: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """One function on arrays as the manifest describes them: images f32 in [-1, 1]."""
        if function not in self.functions:
            raise ValueError(
                f"{self.manifest['model']} has the functions {', '.join(self.functions)}. "
                f"Received: {function!r}."
            )
        if function not in self._loaded:
            file = self._folder / self.manifest["functions"][function]["file"]
            self._loaded[function] = self._load(str(file))
        return self._loaded[function](inputs)

    def any_size(self, function: str) -> bool:
        """Whether height and width of a function's pictures are open."""
        (described,) = self.manifest["functions"][function]["inputs"].values()
        return described["shape"][1] is None

    def generate(
        self,
        n: int | None = None,
        *,
        seed: int | None = None,
        labels: int | Sequence[int] | None = None,
        embeddings: np.ndarray | None = None,
        truncation: float | Sequence[float] | None = None,
    ) -> np.ndarray:
        """Images uint8 [n, H, W, C]: those of `zoo.load(...).generate` within one grey level.

        Args:
            n: How many; by default as many as labels, embeddings or truncations, or one.
            seed: Row i is made from seed + i; None draws a fresh one.
            labels: Of a model with classes: one for all, or n; None draws them from the seeds.
            embeddings: Of a model that takes vectors: one [d], or [n, d]; likewise.
            truncation: Of a model that has it: one for all, or n; None for none.

        Raises:
            ValueError: What the model does not take, or values out of range.
        """
        if self.manifest["task"] != "generate":
            raise ValueError(f"{self.manifest['model']} has no latents: use .translate(images).")
        given = {"labels": labels, "embeddings": embeddings, "truncation": truncation}
        ranks = {"labels": 0, "embeddings": 1, "truncation": 0}
        counts = {
            len(value)
            for name, value in given.items()
            if value is not None and np.ndim(value) > ranks[name]
        }
        n = (counts.pop() if counts else 1) if n is None else n
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"n must be an integer of at least 1. Received: {n!r}.")
        seed = secrets.randbits(48) if seed is None else int(seed)
        if not -(2**63) <= seed <= 2**63 - n:
            raise ValueError(f"seed to seed + n - 1 must be int64. Received: {seed}, n {n}.")
        seeds = np.arange(n, dtype=np.int64) + seed
        inputs = self._condition(given, n, seeds) | self._truncation(truncation, n)
        size = self.manifest["functions"]["from_latents"]["inputs"]["latents"]["shape"][1]
        latents = draw_latents(self.manifest["latents"], seeds, size)
        rows = {"latents": latents, **inputs}
        made = [
            self.run("from_latents", {key: value[i : i + BATCH] for key, value in rows.items()})
            for i in range(0, n, BATCH)
        ]
        return _to_uint8(np.concatenate(made))

    def translate(self, images: np.ndarray, *, direction: str | None = None) -> np.ndarray:
        """uint8 [N, H, W, C] -> uint8, as the `translate` or `upscale` of the model itself.

        Args:
            images: Of any size where the format has it (`any_size`).
            direction: Of a model with several: "a_to_b", say; by default the first.
        """
        function = direction or self.functions[0]
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.ndim != 4:
            raise ValueError(
                f"images must be uint8 [N, H, W, C]. Received: {images.dtype} {list(images.shape)}."
            )
        scaled = images.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        return _to_uint8(self.run(function, {"images": scaled}))

    upscale = translate

    def paint(self, label_map: np.ndarray) -> np.ndarray:
        """Classes uint8 [N, H, W] -> uint8 [N, H, W, C]."""
        return _to_uint8(self.run("paint", {"label_map": np.asarray(label_map, np.uint8)}))

    def _condition(self, given: dict[str, Any], n: int, seeds: np.ndarray) -> dict[str, np.ndarray]:
        taken = self.manifest["condition"]
        for name in ("labels", "embeddings"):
            if given[name] is not None and (taken is None or taken["argument"] != name):
                raise ValueError(
                    f"{self.manifest['model']} takes no {name}. Received: {given[name]!r}."
                )
        if taken is None:
            return {}
        name = taken["argument"]
        if name == "labels":
            values = given[name]
            if values is None:
                values = philox.integers(seeds, 1, taken["num_classes"])
            rows, inside = np.asarray(values), (n,)
            wrong = rows.dtype.kind not in "iu" or np.any(
                (rows < 0) | (rows >= taken["num_classes"])
            )
            rule = f"labels must be integers from 0 to {taken['num_classes'] - 1}"
            kind: Any = np.int32
        else:
            values = given[name]
            if values is None:
                values = philox.normal(seeds, 1, taken["dim"])
            rows, inside = np.asarray(values, np.float32), (n, taken["dim"])
            wrong = not np.all(np.isfinite(rows))
            rule = f"embeddings must be finite numbers [{taken['dim']}]"
            kind = np.float32
        if wrong or rows.shape not in (inside, inside[1:]):
            wrong_count = rows.ndim == len(inside) and len(rows) != n
            received = f"{len(rows)} {name}" if wrong_count else repr(given[name])
            raise ValueError(f"{rule}, one for each of {n} images. Received: {received}.")
        return {name: np.broadcast_to(rows, inside).astype(kind)}

    def _truncation(self, truncation: Any, n: int) -> dict[str, np.ndarray]:
        if not self.manifest["truncates"]:
            if truncation is not None:
                raise ValueError(
                    f"{self.manifest['model']} has no truncation. Received: {truncation!r}."
                )
            return {}
        rows = np.asarray(np.nan if truncation is None else truncation, np.float32)
        if rows.shape not in ((), (n,)) or np.any(rows < 0):
            wrong_count = rows.ndim == 1 and len(rows) != n
            received = f"{len(rows)} numbers" if wrong_count else repr(truncation)
            raise ValueError(
                "truncation must be a number of at least 0, or one for each image. "
                f"Received: {received} for {n} image(s)."
            )
        return {"truncation": np.broadcast_to(rows, n).astype(np.float32)}


def _to_uint8(images: np.ndarray) -> np.ndarray:
    return np.rint(np.clip((images + 1.0) * 127.5, 0.0, 255.0)).astype(np.uint8)


def _onnx(file: str) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)[0]


def _openvino(file: str) -> Any:
    import openvino

    model = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: model(inputs)[0]


def _litert(file: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=file)
    # Named as in the graph, with a prefix and an output number that converters add.
    inputs_of = {
        each["name"].removeprefix("serving_default_").split(":")[0]: each["index"]
        for each in interpreter.get_input_details()
    }
    (output,) = interpreter.get_output_details()

    def call(inputs: dict[str, np.ndarray]) -> np.ndarray:
        for name, value in inputs.items():
            interpreter.resize_tensor_input(inputs_of[name], value.shape)
        interpreter.allocate_tensors()
        for name, value in inputs.items():
            interpreter.set_tensor(inputs_of[name], value)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    return call


_LOADERS = {"onnx": _onnx, "openvino": _openvino, "litert": _litert}
