"""One version of a model on TensorFlow's runtime: loaded, run, released.

It runs in a `tf.compat.v1.Session`, which is what TF Serving runs: no Keras, no Python function,
the same errors from the same operations.
"""

import gc
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import config_pb2, saved_model_pb2

from serving.server import safety
from serving.server.status import (
    StatusError,
    failed_precondition,
    from_code_number,
    invalid_argument,
)

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
# The prefix that TensorFlow's Python adds to an error of the runtime; TF Serving has no Python.
_PYTHONS_WORDS = "Graph execution error:\n\n"


class Signature:
    """One signature of a loaded model.

    Attributes:
        key: its name.
        definition: its SignatureDef.
        inputs: its inputs' aliases, sorted: the order in which `run` takes them.
        outputs: its outputs' aliases, sorted.
        batchable: all inputs and outputs are declared with an unknown leading dimension, so that
            rows of several requests can run together.
    """

    def __init__(self, key: str, definition, run: Callable[..., list[np.ndarray]]):
        self.key = key
        self.definition = definition
        self.inputs = sorted(definition.inputs)
        self.outputs = sorted(definition.outputs)
        self._run = run
        tensors = [*definition.inputs.values(), *definition.outputs.values()]
        shapes = [tensor.tensor_shape for tensor in tensors]
        self.batchable = bool(self.inputs) and all(
            not shape.unknown_rank and shape.dim and shape.dim[0].size < 0 for shape in shapes
        )
        self._rows = [
            tuple(dim.size for dim in definition.inputs[alias].tensor_shape.dim[1:])
            for alias in self.inputs
        ]

    def rows(self, inputs: Sequence[np.ndarray]) -> int:
        """Returns how many rows `inputs` have; 0 if they cannot share a run with others.

        They can if their shapes are those that the signature declares. Other shapes are the
        graph's to judge, so they run alone.
        """
        if not self.batchable or not inputs[0].ndim:
            return 0
        rows = len(inputs[0])
        for declared, array in zip(self._rows, inputs, strict=True):
            if array.ndim != len(declared) + 1 or len(array) != rows:
                return 0
            for size, got in zip(declared, array.shape[1:], strict=True):
                if size not in (-1, got):
                    return 0
        return rows

    def run(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs the graph: one array per input -> one array per output, in sorted alias order.

        The arrays must have the signature's types: the runtime would cast integers to floats.

        Raises:
            StatusError: the runtime's own error.
        """
        try:
            return self._run(*inputs)
        except tf.errors.OpError as error:
            message = error.message.removeprefix(_PYTHONS_WORDS)
            raise from_code_number(error.error_code, message) from error
        except (TypeError, ValueError) as error:
            raise invalid_argument(str(error)) from error


class Servable:
    """One loaded version of a model.

    Args:
        name: what clients call the model.
        path: the version's folder.
        tags: those of the graph to load.
        allowed: unsafe operations that may run (see `safety.py`).
        session_config: of the session.

    Raises:
        StatusError: the SavedModel cannot be loaded, or may not.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        tags: Sequence[str] = (tf.saved_model.SERVING,),
        allowed: Collection[str] = (),
        session_config: config_pb2.ConfigProto | None = None,
    ):
        self.name, self.path = name, path
        _check_operations(path, tags, allowed)
        config = config_pb2.ConfigProto(allow_soft_placement=True)
        if session_config is not None:
            config.MergeFrom(session_config)
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, list(tags), str(path))
            self.signature_defs = dict(meta_graph.signature_def)
            self.signatures = {
                key: self._signature(key, definition)
                for key, definition in sorted(self.signature_defs.items())
                if key != safety.INIT_SIGNATURE
            }
        except (OSError, RuntimeError, ValueError, KeyError, tf.errors.OpError) as error:
            self.close()
            raise _unloadable(path, error) from error

    def close(self) -> None:
        """Releases the model's memory."""
        self._session.close()
        self.signatures = {}
        del self._session
        gc.collect()  # a graph refers to itself

    def _signature(self, key, definition):
        feeds = [definition.inputs[alias].name for alias in sorted(definition.inputs)]
        names = [definition.outputs[alias].name for alias in sorted(definition.outputs)]
        fetches = sorted(set(names))
        # Unlike `make_callable`, this leaves the judgement of shapes to the graph, as TF Serving
        # does, and takes a third of the time. The graph runs in the worker's own thread (-1), not
        # in the threads that all models share, so that a slow one does not fill them.
        options = config_pb2.RunOptions(inter_op_thread_pool=-1)
        call = self._session._make_callable_from_options(
            config_pb2.CallableOptions(feed=feeds, fetch=fetches, run_options=options)
        )
        places = [fetches.index(name) for name in names]

        def run(*inputs):
            outputs = call(*inputs)
            return [outputs[place] for place in places]

        return Signature(key, definition, run)


def _check_operations(path: Path, tags: Sequence[str], allowed: Collection[str]) -> None:
    file = path / "saved_model.pb"
    try:
        saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except (OSError, DecodeError) as error:
        raise _unloadable(path, error) from error
    for meta_graph in saved_model.meta_graphs:
        if set(meta_graph.meta_info_def.tags) == set(tags):
            safety.check(meta_graph, allowed)


def _unloadable(path: Path, error: Exception) -> StatusError:
    reason = " ".join(getattr(error, "message", str(error)).splitlines()[:1])
    return failed_precondition(
        f"{path} must be a SavedModel that TensorFlow {tf.__version__} can load."
        f" Received: {type(error).__name__}: {reason}"
    )
