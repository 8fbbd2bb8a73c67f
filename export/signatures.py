"""What each kind of GAN offers to a client.

Every input has a leading N, so that requests can be batched, and none is optional: the client
fills in defaults.
"""

from collections.abc import Callable

import tensorflow as tf

from zoo import GAN
from zoo import images as image_io

Signature = Callable[..., dict[str, tf.Tensor]]


def noise_to_image(gan: GAN) -> dict[str, Signature]:
    """Signatures of a GAN that draws images from latents.

    serving_default: latents f32 [N, z] -> images f32 [N, H, W, C] in [-1, 1]
    generate:        seed i64 [N]       -> images
    generate_png:    seed i64 [N]       -> image_bytes string [N], each a PNG
    discriminate:    images             -> probability f32 [N] of being real
    """
    latents = tf.TensorSpec([None, gan.latent_dim], tf.float32, name="latents")
    seed = tf.TensorSpec([None], tf.int64, name="seed")
    images = tf.TensorSpec([None, *gan.image_shape], tf.float32, name="images")

    @tf.function(input_signature=[latents], autograph=False)
    def serving_default(latents: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": gan(latents)}

    @tf.function(input_signature=[seed], autograph=False)
    def generate(seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": gan.images_from_seeds(seed)}

    @tf.function(input_signature=[seed], autograph=False)
    def generate_png(seed: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image_bytes": _encode_png(image_io.to_uint8(gan.images_from_seeds(seed)))}

    @tf.function(input_signature=[images], autograph=False)
    def discriminate(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probability": gan.judge(images)}

    return {
        "serving_default": serving_default,
        "generate": generate,
        "generate_png": generate_png,
        "discriminate": discriminate,
    }


def _encode_png(images: tf.Tensor) -> tf.Tensor:
    """uint8 [N, H, W, C] -> string [N]."""
    return tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.TensorSpec([], tf.string))
