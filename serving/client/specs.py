"""What a served model takes and returns, and whether a request fits it."""

import dataclasses
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message

from serving import wire
from serving.errors import InvalidRequest, InvalidResponse


@dataclasses.dataclass(frozen=True)
class TensorSpec:
    """Type and shape of one tensor: `shape` has None for open sizes, and is None if unknown.

    Strings have dtype `object`, bfloat16 has `wire.BFLOAT16`: floats of any width are rounded to
    it, and outputs of it are float32. Other types that numpy lacks have None.
    """

    dtype: np.dtype | None
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        named = {np.dtype(object): "string", wire.BFLOAT16: "bfloat16"}
        dtype = self.dtype and named.get(self.dtype, self.dtype)
        return f"{dtype}{_shape_text(self.shape)}"


@dataclasses.dataclass(frozen=True)
class Signature:
    """Inputs and outputs of one signature, by name."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a served model takes and returns, for each signature."""

    model: str
    version: int
    signatures: dict[str, Signature]


@dataclasses.dataclass(frozen=True)
class VersionStatus:
    """State of one version, e.g. AVAILABLE or LOADING; `error` is empty unless it failed."""

    version: int
    state: str
    error: str = ""

    def __str__(self) -> str:
        return f"version {self.version} is {self.state}" + (f": {self.error}" if self.error else "")


def to_array(
    name: str, value: Any, convert: Callable[[Any], np.ndarray] = np.asarray
) -> np.ndarray:
    """Returns the array of the argument `name`, or raises `InvalidRequest` if it has none."""
    try:
        return convert(value)
    except (TypeError, ValueError, RuntimeError) as error:  # the last of other libraries' tensors
        raise InvalidRequest(
            f"{name} must be an array, a value, or a list with rows of equal length."
            f" Received: {' '.join(reprlib.repr(value).split())}"
        ) from error


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Converts float images in [-1, 1] to uint8; uint8 images are returned unchanged.

    Raises:
        InvalidResponse: A pixel is NaN.
    """
    if images.dtype == np.uint8:
        return images
    try:
        with np.errstate(invalid="raise"):  # costs nothing, where a look for NaN is a pass
            return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)
    except FloatingPointError:
        raise InvalidResponse(
            "The server's images must be numbers. Received: NaN, as of a model whose training "
            "diverged."
        ) from None


def to_float(images: np.ndarray) -> np.ndarray:
    """Converts uint8 images to float32 in [-1, 1]."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def read_metadata(model: str, answer: Message) -> Metadata:
    """Returns the content of a GetModelMetadataResponse, or raises `InvalidResponse`."""
    signatures = wire.SignatureDefMap()
    try:
        held = "signature_def" in answer.metadata
        held = held and answer.metadata["signature_def"].Unpack(signatures)
    except DecodeError as error:
        raise InvalidResponse(
            f"The metadata of {model!r} must hold signature_def. Received: {error}"
        ) from error
    if not held:
        raise InvalidResponse(
            f"The metadata of {model!r} must hold signature_def."
            f" Received: {sorted(answer.metadata)}"
        )
    return Metadata(
        model,
        answer.model_spec.version.value,
        {
            key: Signature(_read_specs(definition.inputs), _read_specs(definition.outputs))
            for key, definition in sorted(signatures.signature_def.items())
            if key != "__saved_model_init_op"  # how the server loads the model, nothing to call
        },
    )


def _read_specs(tensors: Mapping[str, Message]) -> dict[str, TensorSpec]:
    specs = {}
    for name, info in sorted(tensors.items()):
        shape = info.tensor_shape
        sizes = tuple(None if dim.size < 0 else dim.size for dim in shape.dim)
        try:
            dtype = wire.numpy_dtype(info.dtype)
        except ValueError:
            dtype = None
        specs[name] = TensorSpec(dtype, None if shape.unknown_rank else sizes)
    return specs


def read_outputs(answer: Message) -> dict[str, np.ndarray]:
    """Returns the arrays of a PredictResponse, or raises `InvalidResponse`.

    They may be views of the answer, which cannot be written to.
    """
    try:
        return {name: wire.to_numpy(proto) for name, proto in answer.outputs.items()}
    except ValueError as error:
        raise InvalidResponse(f"The server's answer must hold whole tensors. {error}") from error


def own(array: np.ndarray) -> np.ndarray:
    """The array, or a copy of it if the caller could not write to it."""
    return array if array.flags.writeable else array.copy()


def read_rows(
    signature: str,
    answers: Sequence[dict[str, np.ndarray]],
    output: str | None,
    rows: Sequence[int],
) -> np.ndarray:
    """Joins one output of several answers.

    Args:
        signature: what gave them, for the message.
        answers: alias -> array, of each request.
        output: the alias; None is the only one.
        rows: how many each request asked for.

    Raises:
        InvalidResponse: no such output, other rows than were asked for, or no images or files where
            those are expected.
    """
    pieces: list[np.ndarray] = []
    for arrays, count in zip(answers, rows, strict=True):
        name = output or next(iter(arrays), None)
        if name not in arrays:
            raise InvalidResponse(
                f"The signature {signature} must give {output or 'an output'!r}."
                f" Received: {sorted(arrays)}"
            )
        array = arrays[name]
        sizes = pieces[0].shape[1:] if pieces else array.shape[1:]
        right = array.shape == (count, *sizes)
        if name == "image_bytes":
            what = "files [N]"
            right &= array.ndim == 1 and array.dtype == object
        elif name == "images":
            what = "images [N, height, width, channels]"
            right &= array.ndim == 4 and array.dtype.kind in "fu"
        else:
            what = "numbers by rows"
            right &= array.dtype.kind in "fiub"
        if not right:
            raise InvalidResponse(
                f"{name!r} of the signature {signature} must be {what} for N={count}."
                f" Received: {array.dtype} {array.shape}"
            )
        pieces.append(array)
    return own(pieces[0]) if len(pieces) == 1 else np.concatenate(pieces)


# Inputs that a caller may omit, and the values that then let the model choose: for embeddings a row
# of NaN.
DEFAULTS = {"labels": -1, "embeddings": np.nan, "truncation": np.nan}


def fit_rows(
    metadata: Metadata, signature: str, inputs: Mapping[str, np.ndarray], needs: str | None = None
) -> dict[str, np.ndarray]:
    """`fit` for rows to generate, judge or translate. With seeds, `DEFAULTS` may be omitted.

    `needs` is another signature that the model must have.
    """
    _check_call(metadata, needs or signature)
    if signature in metadata.signatures:
        taken = metadata.signatures[signature].inputs
        for name in DEFAULTS.keys() & inputs.keys() - taken.keys():
            raise InvalidRequest(
                f"{name} must be omitted for signature {signature!r} of {metadata.model!r} version"
                f" {metadata.version}, which takes {sorted(taken)}. Received: {name}"
            )
        if "seed" in inputs:
            rows, missing = len(inputs["seed"]), DEFAULTS.keys() & taken.keys() - inputs.keys()
            filled = {name: _open_rows(taken[name], DEFAULTS[name], rows) for name in missing}
            inputs = {**inputs, **filled}
    return fit(metadata, signature, inputs, None)


# What the client's calls are named by, and what a model that has `<call>_png` does.
_DOES = {
    "generate": "draws images from noise: use generate",
    "translate": "translates images: use translate",
    "upscale": "enlarges images: use upscale",
    "paint": "paints label maps: use paint",
}


def _check_call(metadata: Metadata, signature: str) -> None:
    """Raises `InvalidRequest`, and names the right call, for a call that a model is not for."""
    if signature in metadata.signatures:
        return
    received = signature.removesuffix("_png")
    files = [name.removesuffix("_png") for name in metadata.signatures if name.endswith("_png")]
    call = next((call for call in _DOES if call in files), None)
    where = f"{metadata.model!r} version {metadata.version}"
    if call is None:
        _check_signature(metadata, signature)
    elif call == "generate" and received == "discriminate":
        raise InvalidRequest(f"{where} was exported without a discriminator. Received: {received}")
    elif call == "translate" and received not in (*_DOES, "discriminate"):
        directions = sorted(set(files) - {call})
        rule = f"must be {' or '.join(directions)}" if directions else "must be omitted"
        raise InvalidRequest(f"direction {rule} for {where}. Received: {received!r}")
    else:
        received = received if received in (*_DOES, "discriminate") else "translate"
        raise InvalidRequest(f"{where} {_DOES[call]}. Received: {received}")


def _open_rows(spec: TensorSpec, value: float, rows: int) -> np.ndarray:
    """Rows of an input that let the model choose: `value` throughout."""
    sizes = [size or 1 for size in (spec.shape or ())[1:]]
    return np.full([rows, *sizes], value, spec.dtype or np.float32)


def fit(
    metadata: Metadata,
    signature: str,
    inputs: Mapping[str, Any],
    outputs: Iterable[str] | None,
) -> dict[str, np.ndarray]:
    """Returns the inputs as arrays of the signature's types, or raises `InvalidRequest`."""
    specs = _check_signature(metadata, signature)
    where = f"signature {signature!r} of {metadata.model!r} version {metadata.version}"
    if set(inputs) != set(specs.inputs):
        raise InvalidRequest(
            f"inputs must be {sorted(specs.inputs)} for {where}."
            f" Received: {sorted(inputs, key=str)}"
        )
    unknown = set(outputs or ()) - set(specs.outputs)
    if unknown:
        raise InvalidRequest(
            f"outputs must be among {sorted(specs.outputs)} for {where}."
            f" Received: {sorted(unknown)}"
        )
    return {name: _fit_one(name, spec, inputs[name], where) for name, spec in specs.inputs.items()}


def _check_signature(metadata: Metadata, key: str) -> Signature:
    if key not in metadata.signatures:
        raise InvalidRequest(
            f"signature must be one of {sorted(metadata.signatures)} for {metadata.model!r} version"
            f" {metadata.version}. Received: {key!r}"
        )
    return metadata.signatures[key]


def _fit_one(name: str, spec: TensorSpec, value: Any, where: str) -> np.ndarray:
    array = to_array(name, value, wire.to_strings if spec.dtype == object else np.asarray)
    if not isinstance(value, np.ndarray | np.generic):
        array = _cast(array, spec.dtype)
    elif array.dtype == np.float64 and spec.dtype in (np.float32, np.float16):
        array = array.astype(spec.dtype)  # what numpy makes by itself is float64
    elif spec.dtype == wire.BFLOAT16 and (
        array.dtype.kind == "f" or array.dtype.name == "bfloat16"
    ):
        array = wire.to_bfloat16(array)
    is_text = spec.dtype == object and array.dtype.kind in "USO"
    # `is None` first: numpy takes a dtype of None for float64.
    if (spec.dtype is None or array.dtype != spec.dtype) and not is_text:
        raise InvalidRequest(f"{name} must be {spec} for {where}. Received: dtype {array.dtype}")
    fits = spec.shape is None or (
        len(spec.shape) == array.ndim
        and all(size in (None, got) for size, got in zip(spec.shape, array.shape, strict=True))
    )
    if not fits:
        raise InvalidRequest(
            f"{name} must be {spec} for {where}. Received: shape {_shape_text(array.shape)}"
        )
    return array


def _cast(array: np.ndarray, dtype: np.dtype | None) -> np.ndarray:
    """Converts lists and numbers to the model's type. Other arrays keep theirs."""
    if dtype == wire.BFLOAT16:
        return wire.to_bfloat16(array) if array.dtype.kind in "iuf" else array
    kinds = array.dtype.kind + (dtype.kind if dtype else "")
    if kinds in ("ff", "if", "uf"):
        return array.astype(dtype)
    if kinds in ("ii", "iu", "ui", "uu"):
        cast = array.astype(dtype)
        return cast if np.array_equal(cast, array) else array
    return array


def _shape_text(shape: tuple[int | None, ...] | None) -> str:
    if shape is None:
        return "[...]"
    return "[" + ", ".join("N" if size is None else str(size) for size in shape) + "]"
