"""A model that reaches files, the network or Python is refused, unless the flag names it."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from serving.server.servable import Servable
from serving.server.status import StatusError
from tests.serving import models


class Reads(tf.Module):
    """Returns the content of any file of the machine."""

    @tf.function(input_signature=[tf.TensorSpec([], tf.string, "path")])
    def serving_default(self, path):
        return {"content": tf.io.read_file(path)}


class ReadsInALoop(tf.Module):
    """Hides it in a function that a loop calls."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "paths")])
    def serving_default(self, paths):
        return {"content": tf.map_fn(tf.io.read_file, paths)}


class Writes(tf.Module):
    """Writes a file as soon as it is loaded."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.table = _WritingTable(path)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serving_default(self, x):
        return {"y": x}


class _WritingTable(tf.lookup.StaticHashTable):
    def __init__(self, path):
        self._write_to = path
        super().__init__(
            tf.lookup.KeyValueTensorInitializer(tf.constant(["a"]), tf.constant([1.0])), 0.0
        )

    def _initialize(self):
        write = tf.raw_ops.WriteFile(filename=self._write_to, contents="written")
        operation = super()._initialize()
        return tf.group(write, operation) if write is not None else operation


class Python(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serving_default(self, x):
        return {"y": tf.numpy_function(lambda x: x, [x], tf.float32)}


def _refusal(folder) -> str:
    with pytest.raises(StatusError) as caught:
        Servable("m", folder)
    assert caught.value.code == grpc.StatusCode.FAILED_PRECONDITION
    return caught.value.message


@pytest.mark.parametrize(
    ("module", "operation"),
    [(Reads, "ReadFile"), (ReadsInALoop, "ReadFile"), (Python, "PyFunc")],
)
def test_a_signature_that_leaves_the_graph(tmp_path, module, operation):
    folder = models.save(module(), tmp_path / "1")
    message = _refusal(folder)
    assert message.startswith("A model may not run operations that reach files, the network")
    assert f"Received: {operation}; start the server with --allow_unsafe_ops={operation}" in message


def test_an_initializer_that_writes_a_file(tmp_path):
    target = tmp_path / "target"
    folder = models.save(Writes(str(target)), tmp_path / "1")
    target.unlink(missing_ok=True)
    assert "Received: WriteFile" in _refusal(folder)
    assert not target.exists()
    Servable("m", folder, allowed={"WriteFile"}).close()
    assert target.read_text() == "written"


def test_the_flag_lets_it_run(tmp_path):
    folder = models.save(Reads(), tmp_path / "1")
    (tmp_path / "file").write_text("content")
    servable = Servable("m", folder, allowed={"ReadFile"})
    path = np.array(str(tmp_path / "file").encode(), object)
    assert servable.signatures["serving_default"].run([path]) == [b"content"]
    servable.close()


def test_a_restore_function_that_reads_another_file(tmp_path):
    """A SavedModel's restore operation may read its checkpoint, and nothing else."""
    folder = models.save(models.Scale(2), tmp_path / "1")
    Servable("m", folder).close()
    file = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    (graph,) = saved.meta_graphs
    name = graph.saver_def.restore_op_name.partition(":")[0]
    (restore,) = (node for node in graph.graph_def.node if node.name == name)
    graph.graph_def.node.add(name="path", op="Const")
    graph.graph_def.node.add(name="reads", op="ReadFile", input=["path"])
    restore.input.append("^reads")
    file.write_bytes(saved.SerializeToString())
    assert "Received: ReadFile" in _refusal(folder)


def test_what_models_are_made_of_is_allowed(tmp_path):
    """Variables, random numbers, loops, tables in memory: the toy models, and a table."""

    class Table(tf.Module):
        def __init__(self):
            super().__init__()
            keys = tf.lookup.KeyValueTensorInitializer(tf.constant(["a"]), tf.constant([1.0]))
            self.table = tf.lookup.StaticHashTable(keys, 0.0)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "x")])
        def serving_default(self, x):
            return {"y": self.table.lookup(x) + tf.random.uniform([]) * 0}

    servable = Servable("m", models.save(Table(), tmp_path / "1"))
    run = servable.signatures["serving_default"].run
    assert run([np.array([b"a", b"b"], object)])[0].tolist() == [1, 0]
    servable.close()
    Servable("toy", models.save(models.Toy(), tmp_path / "2", *models.TOY_SIGNATURES)).close()
