"""InceptionV3 from keras.applications with its ImageNet weights: features and classes.

Reference: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".

Published FIDs use another network, TensorFlow's graph of 2015 (1,008 outputs, its own resize).
Scores of this one differ from them, so they are printed as "FID (Keras InceptionV3)".

Keras downloads the weights (92 MB) once into its cache, `~/.keras/models` or `$KERAS_HOME/models`.
For a machine without internet access, run this on one that has it and copy the file:

    python -c "import keras; keras.applications.InceptionV3()"
    ~/.keras/models/inception_v3_weights_tf_dim_ordering_tf_kernels.h5
"""

import hashlib
import os
import pathlib

import keras
import tensorflow as tf

NAME = "InceptionV3 (keras.applications, ImageNet), global average pool"
FEATURES = 2048
CLASSES = 1000
SIZE = 299

FILE = "inception_v3_weights_tf_dim_ordering_tf_kernels.h5"
MD5 = "9a0d58056eeedaa3f26cb7ebd46da564"  # the value that keras.applications checks


def cache_folder() -> pathlib.Path:
    """Where Keras keeps downloaded weights."""
    return pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"


def is_downloaded() -> bool:
    """Whether Keras's cache contains the complete weights file."""
    path = cache_folder() / FILE
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest() == MD5


def weights_path() -> pathlib.Path:
    """The weights file; Keras downloads it if it is missing.

    Raises:
        ValueError: it cannot be downloaded.
    """
    if not is_downloaded():
        try:
            keras.applications.InceptionV3(weights="imagenet")
        except Exception as error:  # errors of urllib and Keras share no base class
            raise ValueError(
                "InceptionV3's weights could not be downloaded. Where there is a network, run "
                '`python -c "import keras; keras.applications.InceptionV3()"` and copy '
                f"~/.keras/models/{FILE} to {cache_folder()} here, or use the bundled network, "
                f"--network=mobilenet_v2. Received: {error}"
            ) from error
    path = cache_folder() / FILE
    if not path.is_file():  # Keras falls back to a temporary folder
        raise ValueError(
            "InceptionV3's weights need a cache that can be written to: set KERAS_HOME to one. "
            f"Received: {cache_folder()}."
        )
    return path


def pretrained(path: str | os.PathLike) -> keras.Model:
    """Builds the network with the weights of a file, frozen.

    Returns:
        A model from images float32 [N, 299, 299, 3] in [-1, 1] to (features float32 [N, 2048],
        class probabilities float32 [N, 1000]).

    Raises:
        ValueError: the file does not hold InceptionV3's weights.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # mixed precision must not change a metric
    try:
        whole = keras.applications.InceptionV3(weights=None)
        whole.load_weights(path)
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"{path} must hold InceptionV3's weights. Received: {error}.") from error
    finally:
        keras.config.set_dtype_policy(policy)
    model = keras.Model(whole.inputs, (whole.get_layer("avg_pool").output, whole.outputs[0]))
    model.trainable = False
    return model


def normalise(images: tf.Tensor) -> tf.Tensor:
    """float32 in [0, 255] -> [-1, 1]."""
    return images / 127.5 - 1.0
