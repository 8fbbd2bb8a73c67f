"""Adversarial losses: pure functions of logits, the equation beside each.

D(x) = sigmoid(logits). Every loss is the mean over the logits it is given; under replicas
`GAN.minimize` makes that the mean over the global batch. They are taken in float32 at
least, whatever the networks compute in.
"""

import tensorflow as tf


def minimax_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))]  (Goodfellow et al. 2014, eq. 1, as a minimisation).

    Args:
        real_logits: float, any shape: D's logits of real images.
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    # -log sigmoid(a) = softplus(-a);  -log(1 - sigmoid(a)) = softplus(a)
    return _mean_softplus(-real_logits) + _mean_softplus(fake_logits)


def non_saturating_generator(fake_logits: tf.Tensor) -> tf.Tensor:
    """-E[log D(G(z))]  (Goodfellow et al. 2014, section 3).

    Args:
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    return _mean_softplus(-fake_logits)


def minimax_generator(fake_logits: tf.Tensor) -> tf.Tensor:
    """E[log(1 - D(G(z)))]  (Goodfellow et al. 2014, eq. 1, G's part).

    Args:
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    return -_mean_softplus(fake_logits)


def _mean_softplus(x: tf.Tensor) -> tf.Tensor:
    x = tf.convert_to_tensor(x)
    return tf.reduce_mean(tf.nn.softplus(tf.cast(x, tf.float32) if x.dtype.size < 4 else x))
