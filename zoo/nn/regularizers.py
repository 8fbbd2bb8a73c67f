"""Penalties on gradients: pure functions of a network, with the equation next to each.

Each takes the network as a function, calls it once and leaves weights and factors to the caller.
The gradient with respect to the input is itself differentiable: call them inside the caller's tape.
They are means over the given images, in at least float32.
"""

from collections.abc import Callable

import tensorflow as tf


def gradient_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor], reals: tf.Tensor, fakes: tf.Tensor, seed: tf.Tensor
) -> tf.Tensor:
    """E[(||grad D(x_hat)|| - 1)^2], x_hat on the line between a real and a generated image.

    Gulrajani et al. 2017, equation 3 without its lambda; x_hat = e x_real + (1 - e) x_fake, with e
    from U(0, 1) for every pair.

    Args:
        critic: images -> scores [N, 1].
        reals: float [N, H, W, C].
        fakes: Of the same shape; no gradient flows to the generator that made them.
        seed: Integer [2], of e.

    Returns:
        f32 scalar.
    """
    fakes = tf.stop_gradient(tf.cast(fakes, reals.dtype))
    shape = [tf.shape(reals)[0]] + [1] * (reals.shape.rank - 1)
    mix = tf.random.stateless_uniform(shape, seed, dtype=reals.dtype)
    _, gradient = _gradient_of_images(critic, mix * reals + (1.0 - mix) * fakes)
    # The norm has no derivative where the gradient is exactly 0.
    norm = tf.sqrt(_sum_of_squares(gradient) + 1e-12)
    return tf.reduce_mean(tf.square(norm - 1.0))


def r1_penalty(
    discriminator: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """E[||grad D(x)||^2]  (Mescheder et al. 2018, equation 9, without its gamma / 2).

    For real images it is R1, for generated ones R2.

    Args:
        discriminator: images -> logits [N, 1].
        images: float [N, H, W, C].

    Returns:
        The f32 scalar, and the logits of `images`, so that D need not run on them again.
    """
    logits, gradient = _gradient_of_images(discriminator, images)
    return tf.reduce_mean(_sum_of_squares(gradient)), logits


def path_length_penalty(
    synthesize: Callable[[tf.Tensor], tf.Tensor],
    w: tf.Tensor,
    mean_length: tf.Tensor,
    seed: tf.Tensor,
    decay: float = 0.01,
) -> tuple[tf.Tensor, tf.Tensor]:
    """E[(||J_w^T y|| - a)^2]  (Karras et al. 2020, equation 4).

    y is an image of N(0, 1) divided by the square root of its pixels, and J_w^T y the gradient of
    y . g(w). For w [N, L, W] the norm is the root of the mean over the L layers of the squares.
    a is the running mean of the norms, including this batch's.

    Args:
        synthesize: w -> images [N, H, W, C].
        w: float [N, W] or [N, L, W].
        mean_length: f32 scalar, a so far; 0 at first.
        seed: Integer [2], of y.
        decay: Weight of this batch in a.

    Returns:
        The f32 scalar, and the new a, which the caller stores.
    """
    with tf.GradientTape() as tape:
        tape.watch(w)
        images = synthesize(w)
        images = tf.cast(images, tf.float32) if images.dtype.size < 4 else images
        y = tf.random.stateless_normal(tf.shape(images), seed, dtype=images.dtype)
        pixels = tf.cast(tf.shape(images)[1] * tf.shape(images)[2], images.dtype)
        projection = tf.reduce_sum(images * y) * tf.math.rsqrt(pixels)
    gradient = tape.gradient(projection, w)  # J_w^T y
    layers = w.shape[1] if w.shape.rank == 3 else 1
    lengths = tf.sqrt(_sum_of_squares(gradient) / layers + 1e-12)
    mean_length = mean_length + decay * (tf.reduce_mean(lengths) - mean_length)
    return tf.reduce_mean(tf.square(lengths - mean_length)), tf.stop_gradient(mean_length)


def orthogonal(kernel: tf.Tensor) -> tf.Tensor:
    """||W^T W o (1 - I)||_F^2, o elementwise  (Brock et al. 2019, equation 3, without its beta).

    W is the kernel as a matrix [everything else, outputs]: the penalty is on the cosines between
    filters, not on their lengths.

    Args:
        kernel: float [..., in, out].

    Returns:
        f32 scalar.
    """
    w = tf.reshape(kernel, [-1, kernel.shape[-1]])
    rows, columns = w.shape
    if columns <= rows:
        gram = tf.matmul(w, w, transpose_a=True)
        return tf.reduce_sum(tf.square(gram - tf.linalg.diag(tf.linalg.diag_part(gram))))
    # W^T W would be large, and has the same Frobenius norm as W W^T.
    gram = tf.matmul(w, w, transpose_b=True)
    lengths = tf.reduce_sum(tf.square(w), axis=0)
    return tf.reduce_sum(tf.square(gram)) - tf.reduce_sum(tf.square(lengths))


def _gradient_of_images(
    network: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """The network's outputs, and the gradient of their sum."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = network(images)
    return outputs, tape.gradient(outputs, images)


def _sum_of_squares(gradient: tf.Tensor) -> tf.Tensor:
    """[N, ...] -> [N]."""
    if gradient.dtype.size < 4:
        gradient = tf.cast(gradient, tf.float32)
    return tf.reduce_sum(tf.square(gradient), axis=list(range(1, gradient.shape.rank)))
