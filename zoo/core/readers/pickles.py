"""Reads pickles as plain data.

A pickle is a program for a small machine. This one runs it with a list of what is allowed: numbers,
texts, lists, dicts, and a few names of PyTorch, numpy and NVIDIA's code. A name becomes a token,
never a Python object, and what is "called" is one of the builders below. So no code of the file and
no code of another library runs. Opcodes that no published file uses are refused.
"""

import io
import math
import pathlib
import pickle
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from zoo.core.readers.refusal import CheckpointError

MOST_STEPS = 200_000  # opcodes; a StyleGAN2 at 1024 px has 30,000
MOST_AXES = 8
LINE = 4096  # the longest name of a class, in bytes

# torch's storages. bfloat16 is the upper half of a float32.
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "<i1",
    "ByteStorage": "<u1",
    "BoolStorage": "?",
}
NUMPY_CODES = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {
    "f2",
    "f4",
    "f8",
    "b1",
}


class Storage:
    """Numbers that tensors are views of, fetched when they are first asked for.

    Args:
        kind: A key of `DTYPES`.
        count: How many numbers the file claims.
    """

    def __init__(self, kind: str, count: int) -> None:
        self.kind = kind
        self.dtype = np.dtype(DTYPES[kind])
        self.count = count
        self.fetch: Callable[[], Any] | None = None

    @property
    def nbytes(self) -> int:
        """Of what the file claims."""
        return self.count * self.dtype.itemsize

    def numbers(self) -> np.ndarray:
        """The numbers [count]; bfloat16 as float32."""
        if self.fetch is None:
            raise CheckpointError("A storage of the checkpoint must be in the file.")
        numbers = np.frombuffer(self.fetch(), self.dtype, self.count)
        if self.kind == "BFloat16Storage":
            return (numbers.astype("<u4") << 16).view("<f4")
        return numbers


class Tensor:
    """A view of a storage, as PyTorch keeps it; its numbers are read by `array`."""

    def __init__(self, storage: Any, offset: Any, shape: Any, strides: Any) -> None:
        shape = shape.state if isinstance(shape, Record) else shape
        sizes = [*_integers(shape), *_integers(strides), *_integers((offset,))]
        if not isinstance(storage, Storage) or len(shape) != len(strides) or min(sizes) < 0:
            raise CheckpointError("A tensor of the checkpoint must be a view of a storage.")
        self.shape, self.strides, self.offset = tuple(shape), tuple(strides), offset
        self.storage = storage
        count = math.prod(self.shape)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if count and (count > storage.count or last >= storage.count):
            raise CheckpointError(
                "A tensor of the checkpoint must lie within its storage. "
                f"Received: shape {list(shape)} of {storage.count} numbers."
            )

    @property
    def nbytes(self) -> int:
        """Of its numbers."""
        return math.prod(self.shape) * self.storage.dtype.itemsize

    def array(self) -> np.ndarray:
        """The numbers, a view where it can be."""
        if not math.prod(self.shape):
            return np.zeros(self.shape, np.float32)
        numbers = self.storage.numbers()[self.offset :]
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers, self.shape, strides, writeable=False)


class Array:
    """numpy's array in a pickle, without objects; its numbers are read by `array`."""

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.nbytes = 0
        self._numbers: np.ndarray | None = None

    def build(self, state: Any) -> None:
        """Takes the state that numpy pickles: version, shape, type, order, bytes."""
        _, shape, dtype, fortran, data = items_of(state, 5)
        if not isinstance(dtype, _Dtype) or not isinstance(data, str | bytes):
            raise CheckpointError("An array of the checkpoint must hold numbers alone.")
        shape = _integers(shape)
        data = data.encode("latin1") if isinstance(data, str) else data
        count = math.prod(shape)
        if min(shape, default=0) < 0 or count * dtype.dtype.itemsize != len(data):
            raise CheckpointError("An array of the checkpoint must hold as much as its shape says.")
        self.shape, self.nbytes = tuple(shape), len(data)
        order = "F" if fortran is True else "C"
        self._numbers = np.frombuffer(data, dtype.dtype).reshape(shape, order=order)

    def array(self) -> np.ndarray:
        """The numbers."""
        if self._numbers is None:
            raise CheckpointError("An array of the checkpoint must hold numbers.")
        return self._numbers


class Record:
    """An object of a class that is not ours: its name and its state, which is data.

    Attributes:
        name: "module.Class"; of a persistent module of NVIDIA's, the class's name alone.
        state: What the file says of it.
    """

    def __init__(self, name: str, state: Any = None) -> None:
        self.name = name
        self.state = state


class _Token:
    """A name in a pickle."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Dtype:
    def __init__(self, code: Any) -> None:
        code = code.lstrip("<=|") if isinstance(code, str) else ""
        if code not in NUMPY_CODES:
            raise CheckpointError(
                f"An array of the checkpoint must hold numbers. Received: {code:.50}"
            )
        self.dtype = np.dtype(code)

    def build(self, state: Any) -> None:
        """Takes the byte order of what numpy pickles."""
        if len(items_of(state)) > 1 and state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


def items_of(value: Any, count: int | None = None) -> Any:
    if type(value) not in (tuple, list) or count not in (None, len(value)):
        raise CheckpointError("The checkpoint must hold what its format prescribes.")
    return value


def _integers(value: Any) -> Any:
    value = items_of(value)
    if len(value) > MOST_AXES or any(type(number) is not int for number in value):
        raise CheckpointError("A shape in the checkpoint must be integers.")
    return value


def _persistent(meta: Any) -> Record:
    """A module of NVIDIA's code, which carries its source: that is left alone."""
    if not isinstance(meta, dict) or not isinstance(meta.get("state"), dict):
        raise CheckpointError("A persistent module of the checkpoint must have a state.")
    name = meta.get("class_name")
    return Record(name[:100] if isinstance(name, str) else "", meta["state"])


def _scalar(dtype: Any, data: Any) -> int | float:
    data = data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise CheckpointError("A number of the checkpoint must have a type.")
    return np.frombuffer(data, dtype.dtype, 1)[0].item()


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise CheckpointError("Bytes in the checkpoint must be written as Latin-1.")
    return text.encode("latin1")


def _nested(data: Any) -> Any:
    from zoo.core.readers.torch_files import legacy

    if not isinstance(data, bytes):
        raise CheckpointError("A nested PyTorch file must be bytes.")
    return legacy(io.BytesIO(data), len(data))


def key_of(value: Any) -> str:
    """The key of a storage, which is a number or a plain word: never a path."""
    if type(value) not in (str, int) or not str(value)[:100].replace("_", "").isalnum():
        raise CheckpointError("The key of a storage must be a number or a word.")
    return str(value)


def _ordered_dict(*pairs: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for pair in items_of(pairs[0]) if pairs else ():
        key, value = items_of(pair, 2)
        found[_name(key)] = value
    return found


def _name(key: Any) -> Any:
    # The hash of another type, such as a tuple of tuples, may take forever.
    if type(key) not in (str, int):
        raise CheckpointError("A dict of the checkpoint must be addressed by names or integers.")
    return key


# What a pickle may call, by name.
BUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "dnnlib.util.EasyDict": lambda: {},
    "torch_utils.persistence._reconstruct_persistent_obj": _persistent,
    "torch._utils._rebuild_tensor": Tensor,
    "torch._utils._rebuild_tensor_v2": lambda s, offset, shape, strides, *_: Tensor(
        s, offset, shape, strides
    ),
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch.nn.parameter.Parameter": lambda tensor, *_: tensor,
    "torch.storage._load_from_bytes": _nested,
    "torch.Size": lambda sizes: tuple(_integers(sizes)),
    "torch.device": lambda *names: Record("torch.device", names),
    "builtins.set": lambda *items: list(items_of(items[0])) if items else [],
    "__builtin__.set": lambda *items: list(items_of(items[0])) if items else [],
    "_codecs.encode": _encode,
    "argparse.Namespace": lambda: Record("argparse.Namespace"),
    "copy_reg._reconstructor": lambda cls, *_: _blank(cls),
    "copyreg._reconstructor": lambda cls, *_: _blank(cls),
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    BUILDERS[f"{_module}._reconstruct"] = lambda *_: Array()
    BUILDERS[f"{_module}.scalar"] = _scalar
BUILDERS["numpy.dtype"] = lambda code, *_: _Dtype(code)
# Objects that are made without arguments and keep their state as data.
RECORDS = ("dnnlib.tflib.network.Network", "tfutil.Network", "network.Network")
NAMES = {
    *BUILDERS,
    *RECORDS,
    *(f"torch.{name}" for name in DTYPES),
    "numpy.ndarray",
    "builtins.object",
    "__builtin__.object",
    *(f"torch.{name}" for name in ("float32", "float16", "bfloat16", "float64", "int64")),
}


def _blank(cls: Any) -> Any:
    """What `object.__new__(cls)` would be."""
    name = cls.name if isinstance(cls, _Token) else ""
    if name in RECORDS or name == "argparse.Namespace":
        return Record(name)
    if name in ("dnnlib.util.EasyDict", "collections.OrderedDict"):
        return {}
    raise CheckpointError(f"A checkpoint must hold data alone. Received: {name or 'an object'}.")


_OPCODES = """
PROTO FRAME STOP MARK POP POP_MARK DUP NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG
LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES
BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2
TUPLE3 EMPTY_LIST LIST EMPTY_DICT EMPTY_SET GET BINGET LONG_BINGET PUT BINPUT LONG_BINPUT
MEMOIZE GLOBAL STACK_GLOBAL BINPERSID
"""


class Unpickler(pickle._Unpickler):
    """Runs a pickle; see the module.

    The standard library's machine in Python, whose memo is a dict: that in C takes as much memory
    as the file asks for.

    Args:
        source: Read up to its end.
        storage: (kind, key, count, view) -> `Storage`, for PyTorch's files.
    """

    dispatch = {  # noqa: RUF012
        getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]]
        for name in _OPCODES.split()
    }

    def __init__(self, source: "Source", storage: Callable[..., Storage] | None = None) -> None:
        super().__init__(source, encoding="latin1")
        self._storage = storage

    def load(self) -> Any:
        try:
            return self._run()
        except CheckpointError:
            raise
        except (
            *(pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError),
            *(AttributeError, ArithmeticError, struct.error, AssertionError, MemoryError),
        ) as error:
            raise CheckpointError(
                f"A pickle must be whole and of plain data. Received: {type(error).__name__}."
            ) from None

    def _run(self) -> Any:
        # As in the base class, with a limit.
        self._unframer = pickle._Unframer(self._file_read, self._file_readline)
        self.read, self.readline = self._unframer.read, self._unframer.readline
        self.metastack: list[Any] = []
        self.stack: list[Any] = []
        self.append = self.stack.append
        self.proto = 0
        dispatch, read = self.dispatch, self.read
        try:
            for _ in range(MOST_STEPS):
                key = read(1)
                step = dispatch.get(key[0])
                if step is None:
                    raise CheckpointError(f"A checkpoint must be data. Received: opcode {key!r}.")
                step(self)
        except pickle._Stop as stop:
            return stop.value
        raise CheckpointError(f"A pickle must have at most {MOST_STEPS:,} steps.")

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full.startswith("torch.storage.") and name in DTYPES:
            full = f"torch.{name}"
        if full not in NAMES or "." in name:
            raise CheckpointError(
                "A checkpoint must hold data alone, and nothing of it is run. "
                f"Received: {full[:100]!r}."
            )
        return _Token(full)

    def persistent_load(self, pid: Any) -> Storage:
        if self._storage is None or len(items_of(pid)) < 5 or pid[0] != "storage":
            raise CheckpointError("Only PyTorch's storages may stand outside a pickle.")
        _, token, key, _, count, *view = pid
        kind = token.name.removeprefix("torch.") if isinstance(token, _Token) else ""
        if kind not in DTYPES or type(count) is not int or count < 0:
            raise CheckpointError(f"A storage must be of numbers. Received: {kind or 'none'}.")
        return self._storage(kind, key_of(key), count, view[0] if view else None)

    def _call(self, token: Any, arguments: Any) -> Any:
        if not isinstance(token, _Token):
            raise CheckpointError("A checkpoint must hold data alone, and nothing of it is run.")
        if token.name in RECORDS:
            return Record(token.name)
        if token.name not in BUILDERS:
            raise CheckpointError(
                f"A checkpoint must hold data alone. Received: a call of {token.name}."
            )
        return BUILDERS[token.name](*items_of(arguments))

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self._call(self.stack[-1], arguments)

    def _new(self) -> None:
        arguments = self.stack.pop()
        cls = self.stack.pop()
        known = isinstance(cls, _Token) and cls.name in BUILDERS and arguments != ()
        self.append(self._call(cls, arguments) if known else _blank(cls))

    def _build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Array | _Dtype):
            target.build(state)
        elif isinstance(target, Record) and target.state is None:
            target.state = state
        elif type(target) is dict and (state is None or type(state) is dict):
            # An EasyDict's state is empty; an OrderedDict of PyTorch has `_metadata`.
            if state and not isinstance(state.get("_metadata"), dict | None):
                raise CheckpointError("A state dict's metadata must be a dict.")
        else:
            raise CheckpointError("A checkpoint must hold data alone.")

    def _append(self) -> None:
        value = self.stack.pop()
        self._extend([value])

    def _appends(self) -> None:
        self._extend(self.pop_mark())

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise CheckpointError("Only a list may be appended to.")
        self.stack[-1].extend(items)

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._update([key, value])

    def _setitems(self) -> None:
        self._update(self.pop_mark())

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._update(items)

    def _update(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict:
            raise CheckpointError("Only a dict may be given items.")
        target.update(zip(map(_name, items[::2]), items[1::2], strict=True))

    def _additems(self) -> None:
        items = self.pop_mark()
        if type(self.stack[-1]) is not set or any(type(item) not in (str, int) for item in items):
            raise CheckpointError("A set of the checkpoint must hold names or integers.")
        self.stack[-1].update(items)

    dispatch |= {
        pickle.REDUCE[0]: _reduce,
        pickle.NEWOBJ[0]: _new,
        pickle.BUILD[0]: _build,
        pickle.APPEND[0]: _append,
        pickle.APPENDS[0]: _appends,
        pickle.SETITEM[0]: _setitem,
        pickle.SETITEMS[0]: _setitems,
        pickle.DICT[0]: _dict,
        pickle.ADDITEMS[0]: _additems,
    }


class Source:
    """A file, of which no more is asked than it has left."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def read(self, count: int) -> bytes:
        """The next bytes, exactly so many."""
        if not 0 <= count <= self._size - self._file.tell():
            raise CheckpointError(
                "The checkpoint must be whole. Received: one that ends too early."
            )
        return self._file.read(count)

    def readline(self) -> bytes:
        """The next line."""
        return self._file.readline(LINE)


def read(path: pathlib.Path) -> Any:
    """The content of a pickle file."""
    with open(path, "rb") as file:
        return Unpickler(Source(file, path.stat().st_size)).load()
