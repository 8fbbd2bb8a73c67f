"""Small SavedModels for the tests, made with nothing but tf.Module.

`python -m tests.serving.models DIR` writes those of the conformance suite, and `DIR/models.config`.
"""

import sys
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

SHAPE = (2, 3, 1)  # of the toy images


def _spec(name, dtype, *shape):
    return tf.TensorSpec(shape, dtype, name)


def _rows(function, values, dtype, shape=()):
    return tf.map_fn(function, values, fn_output_signature=tf.TensorSpec(shape, dtype))


class Toy(tf.Module):
    """A generator and discriminator in name, and signatures with every awkward property."""

    @tf.function(input_signature=[_spec("latents", tf.float32, None, 6)])
    def serving_default(self, latents):
        return {"images": tf.tanh(tf.reshape(latents, [-1, *SHAPE]))}

    @tf.function(input_signature=[_spec("seed", tf.int64, None)])
    def generate(self, seed):
        def image(one):
            return tf.random.stateless_uniform(SHAPE, tf.stack([one, 0]), -1.0, 1.0)

        return {"images": _rows(image, seed, tf.float32, SHAPE)}

    @tf.function(input_signature=[_spec("seed", tf.int64, None)])
    def generate_png(self, seed):
        images = (self.generate(seed)["images"] + 1) * 127.5
        pixels = tf.cast(tf.clip_by_value(tf.math.rint(images), 0, 255), tf.uint8)
        return {"image_bytes": _rows(tf.io.encode_png, pixels, tf.string)}

    @tf.function(input_signature=[_spec("images", tf.float32, None, *SHAPE)])
    def discriminate(self, images):
        return {"probability": tf.sigmoid(tf.reduce_mean(images, [1, 2, 3]))}

    @tf.function(input_signature=[_spec("steps", tf.int32, None)])
    def slow(self, steps):
        """Takes a time in proportion to the largest of `steps`."""
        matrix = tf.eye(128) * 0.5
        for _ in tf.range(tf.reduce_max(steps)):
            matrix = tf.tanh(tf.matmul(matrix, matrix))
        return {"steps": steps + tf.cast(tf.reduce_sum(matrix) > 1e9, tf.int32)}

    @tf.function(input_signature=[_spec("x", tf.float32)])
    def scalar(self, x):
        return {"y": 2 * x}

    @tf.function(input_signature=[_spec("x", tf.float32, 2, 3)])
    def fixed(self, x):
        return {"y": 2 * x}

    @tf.function(input_signature=[_spec("x", tf.float32, None, 4)])
    def mismatch(self, x):
        return {"y": tf.matmul(x, tf.ones([4, 2]))}

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, "x")])
    def identity(self, x):
        return {"y": tf.identity(x)}

    @tf.function(input_signature=[_spec("image_bytes", tf.string, None)])
    def decode(self, image_bytes):
        def size(data):
            return tf.shape(tf.io.decode_png(data, 1))[0]

        return {"height": _rows(size, image_bytes, tf.int32)}

    @tf.function(input_signature=[_spec("pictures", tf.float32, None, None, None, 3)])
    def any_size(self, pictures):
        return {"mean": tf.reduce_mean(pictures, [1, 2, 3])}

    @tf.function(
        input_signature=[_spec("a", tf.float32, None, 2), _spec("b", tf.float32, None)],
    )
    def two_inputs(self, a, b):
        return {"sum": tf.reduce_sum(a, 1) + b, "difference": tf.reduce_sum(a, 1) - b}

    @tf.function(input_signature=[_spec("x", tf.float32, None)])
    def not_by_row(self, x):
        return {"large": tf.boolean_mask(x, x > 10)}

    @tf.function(input_signature=[_spec("x", tf.bfloat16, None)])
    def brain(self, x):
        return {"y": 2 * x}

    @tf.function(
        input_signature=[
            _spec(name, dtype, None)
            for name, dtype in [
                ("float64", tf.float64),
                ("float16", tf.float16),
                ("int8", tf.int8),
                ("uint8", tf.uint8),
                ("int64", tf.int64),
                ("uint64", tf.uint64),
                ("boolean", tf.bool),
                ("complex64", tf.complex64),
                ("string", tf.string),
            ]
        ]
    )
    def types(self, float64, float16, int8, uint8, int64, uint64, boolean, complex64, string):
        values = [float64, float16, int8, uint8, int64, uint64, boolean, complex64, string]
        return {f"{value.dtype.name}_out": tf.identity(value) for value in values}


TOY_SIGNATURES = [name for name, value in vars(Toy).items() if hasattr(value, "input_signature")]


class Labelled(tf.Module):
    """Draws what it was asked for: seed, label and truncation, an eighth of each in [-1, 1]."""

    @tf.function(
        input_signature=[
            _spec("seed", tf.int64, None),
            _spec("labels", tf.int32, None),
            _spec("truncation", tf.float32, None),
        ]
    )
    def generate(self, seed, labels, truncation):
        truncation = tf.where(tf.math.is_nan(truncation), -1.0, truncation)
        asked = [tf.cast(seed, tf.float32), tf.cast(labels, tf.float32), truncation]
        return {"images": tf.reshape(tf.stack(asked, axis=1) / 8, [-1, 1, 3, 1])}

    @tf.function(input_signature=generate.input_signature)
    def generate_png(self, seed, labels, truncation):
        images = self.generate(seed, labels, truncation)["images"]
        pixels = tf.cast(tf.math.rint((images + 1) * 127.5), tf.uint8)
        return {"image_bytes": _rows(tf.io.encode_png, pixels, tf.string)}

    @tf.function(
        input_signature=[_spec("images", tf.float32, None, *SHAPE), _spec("labels", tf.int32, None)]
    )
    def discriminate(self, images, labels):
        return {"score": tf.reduce_mean(images, [1, 2, 3]) + 10 * tf.cast(labels, tf.float32)}


class Scale(tf.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = tf.Variable(float(factor))

    @tf.function(input_signature=[_spec("x", tf.float32, None)])
    def serving_default(self, x):
        return {"y": self.factor * x}


class Counter(tf.Module):
    """Counts its own runs, so that a warm-up can be seen."""

    def __init__(self):
        super().__init__()
        self.runs = tf.Variable(0.0)

    @tf.function(input_signature=[_spec("x", tf.float32, None)])
    def serving_default(self, x):
        return {"runs": self.runs.assign_add(1.0) + 0 * x}


class Judge(tf.Module):
    """Counts its runs; a classifier and a regressor of the length of serialized examples."""

    def __init__(self):
        super().__init__()
        self.runs = tf.Variable(0.0)

    @tf.function(input_signature=[_spec("inputs", tf.string, None)])
    def classify(self, inputs):
        rows = tf.shape(inputs)[0]
        return {
            "classes": tf.tile([["cat", "dog"]], [rows, 1]),
            "scores": tf.tile([[0.25, 0.75]], [rows, 1]) + 0 * self.runs.assign_add(1.0),
        }

    @tf.function(input_signature=[_spec("inputs", tf.string, None)])
    def regress(self, inputs):
        lengths = tf.cast(tf.strings.length(inputs), tf.float32)
        return {"outputs": lengths + 0 * self.runs.assign_add(1.0)}

    @tf.function(input_signature=[_spec("x", tf.float32)])
    def count(self, x):
        return {"runs": self.runs + x}

    @tf.function(input_signature=[_spec("inputs", tf.string, None)])
    def three_outputs(self, inputs):
        return {"classes": inputs, "scores": inputs, "more": inputs}

    @tf.function(input_signature=[_spec("inputs", tf.string, None)])
    def number_classes(self, inputs):
        return {"classes": tf.ones([tf.shape(inputs)[0], 1])}

    @tf.function(input_signature=[_spec("a", tf.string, None), _spec("b", tf.string, None)])
    def two_strings(self, a, b):
        return {"outputs": a + b}

    @tf.function(input_signature=[_spec("inputs", tf.string, None)])
    def square(self, inputs):
        return {"outputs": tf.ones([tf.shape(inputs)[0], 2])}


JUDGE_SIGNATURES = [
    name for name, value in vars(Judge).items() if hasattr(value, "input_signature")
]


def save(module: tf.Module, folder: Path, *signatures: str) -> Path:
    """Writes a SavedModel with methods of `module` as signatures."""
    names = signatures or ("serving_default",)
    tf.saved_model.save(module, str(folder), {name: getattr(module, name) for name in names})
    return folder


def write_warmup(folder: Path, *, count: int, **inputs) -> None:
    """Writes `count` equal warm-up requests into a SavedModel's folder."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "whatever"
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    file = folder / "assets.extra" / "tf_serving_warmup_requests"
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for _ in range(count):
            writer.write(log.SerializeToString())


def build(root: Path) -> Path:
    """Writes the models that the tests' server serves."""
    save(Toy(), root / "toy" / "3", *TOY_SIGNATURES)
    save(Labelled(), root / "labelled" / "1", "generate", "generate_png", "discriminate")
    save(Scale(2), root / "scale" / "2")
    save(Scale(10), root / "scale" / "00000010")
    (root / "scale" / "tmp-11").mkdir()
    counter = save(Counter(), root / "counter" / "0")
    write_warmup(counter, count=3, x=[1.0])
    (root / "not_a_model").mkdir()
    (root / "notes.txt").write_text("beside the models")
    return root


CONFIG = """model_config_list {{
  config {{ name: "toy" base_path: "{root}/toy" model_platform: "tensorflow" }}
  config {{ name: "counter" base_path: "{root}/counter" model_platform: "tensorflow" }}
  config {{ name: "judge" base_path: "{root}/judge" model_platform: "tensorflow" }}
  config {{
    name: "scale" base_path: "{root}/scale" model_platform: "tensorflow"
    model_version_policy {{ all {{}} }}
    version_labels {{ key: "stable" value: 2 }}
    version_labels {{ key: "canary" value: 10 }}
  }}
}}
"""


def build_for_conformance(root: Path) -> Path:
    """Writes the models and the configuration of the conformance suite."""
    build(root)
    save(Judge(), root / "judge" / "1", *JUDGE_SIGNATURES)
    (root / "models.config").write_text(CONFIG.format(root=root))
    return root


if __name__ == "__main__":
    build_for_conformance(Path(sys.argv[1]).absolute())
