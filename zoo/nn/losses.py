"""Adversarial losses: pure functions of logits, with the equation next to each.

D(x) = sigmoid(logits). Every loss is the mean over the logits it is given; under replicas the base
class makes that the mean over the global batch. They are computed in at least float32, whatever the
networks compute in.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from zoo.core.spelling import near_misses


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


def wasserstein_discriminator(real_scores: tf.Tensor, fake_scores: tf.Tensor) -> tf.Tensor:
    """E[D(G(z))] - E[D(x)]  (Arjovsky et al. 2017, equation 2, as a minimisation).

    It holds for a critic whose gradient is bounded: see `zoo.nn.regularizers.gradient_penalty`.

    Args:
        real_scores: float, any shape: the critic's scores of real images.
        fake_scores: float, any shape: the critic's scores of generated images.

    Returns:
        f32 scalar.
    """
    return _mean(fake_scores) - _mean(real_scores)


def wasserstein_generator(fake_scores: tf.Tensor) -> tf.Tensor:
    """-E[D(G(z))]  (Arjovsky et al. 2017, equation 3).

    Args:
        fake_scores: float, any shape: the critic's scores of generated images.

    Returns:
        f32 scalar.
    """
    return -_mean(fake_scores)


def drift(real_scores: tf.Tensor) -> tf.Tensor:
    """E[D(x)^2], which holds a critic's scores near 0  (Karras et al. 2018, appendix A.1).

    Args:
        real_scores: float, any shape: the critic's scores of real images.

    Returns:
        f32 scalar, without the paper's factor of 1e-3.
    """
    return tf.reduce_mean(tf.square(_float32_at_least(real_scores)))


def hinge_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]  (Lim & Ye 2017; Miyato et al. 2018, eq. 16).

    Here D(x) is the logit itself.

    Args:
        real_logits: float, any shape: D's logits of real images.
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    real_logits, fake_logits = _float32_at_least(real_logits), _float32_at_least(fake_logits)
    return _mean(tf.nn.relu(1.0 - real_logits)) + _mean(tf.nn.relu(1.0 + fake_logits))


def hinge_generator(fake_logits: tf.Tensor) -> tf.Tensor:
    """-E[D(G(z))], D the logit itself  (Miyato et al. 2018, equation 17).

    Args:
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    return -_mean(fake_logits)


def least_squares_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """1/2 E[(D(x) - 1)^2] + 1/2 E[D(G(z))^2], D the logit itself  (Mao et al. 2017, equation 9).

    Args:
        real_logits: float, any shape: D's logits of real images.
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    real_logits, fake_logits = _float32_at_least(real_logits), _float32_at_least(fake_logits)
    return 0.5 * _mean(tf.square(real_logits - 1.0)) + 0.5 * _mean(tf.square(fake_logits))


def least_squares_generator(fake_logits: tf.Tensor) -> tf.Tensor:
    """1/2 E[(D(G(z)) - 1)^2], D the logit itself  (Mao et al. 2017, equation 9).

    Args:
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    return 0.5 * _mean(tf.square(_float32_at_least(fake_logits) - 1.0))


def unhalved_least_squares_discriminator(
    real_logits: tf.Tensor, fake_logits: tf.Tensor
) -> tf.Tensor:
    """E[(D(x) - 1)^2] + E[D(G(z))^2], D the logit itself  (Zhu et al. 2017, section 4).

    Twice the loss of Mao et al.

    Args:
        real_logits: float, any shape: D's logits of real images.
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    return 2.0 * least_squares_discriminator(real_logits, fake_logits)


def unhalved_least_squares_generator(fake_logits: tf.Tensor) -> tf.Tensor:
    """E[(D(G(z)) - 1)^2], D the logit itself  (Zhu et al. 2017, section 4).

    Twice the loss of Mao et al.

    Args:
        fake_logits: float, any shape: D's logits of generated images.

    Returns:
        f32 scalar.
    """
    return 2.0 * least_squares_generator(fake_logits)


def relativistic_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E[log sigmoid(D(x) - D(G(z)))], row by row  (Jolicoeur-Martineau 2019, RpGAN).

    D only has to say which of a pair is real, so G cannot ignore a mode; with R1 + R2 of
    `zoo.nn.regularizers.r1_penalty` it is the loss of R3GAN (Huang et al. 2024, equations 2 and 4).

    Args:
        real_logits: float, any shape: D's logits of real images.
        fake_logits: float, the same shape: D's logits of the generated images they are paired with.

    Returns:
        f32 scalar.
    """
    return _mean_softplus(_float32_at_least(fake_logits) - _float32_at_least(real_logits))


def relativistic_generator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """-E[log sigmoid(D(G(z)) - D(x))], row by row  (Jolicoeur-Martineau 2019, RpGAN).

    Args:
        real_logits: float, any shape: D's logits of real images.
        fake_logits: float, the same shape: D's logits of the generated images they are paired with.

    Returns:
        f32 scalar.
    """
    return relativistic_discriminator(fake_logits, real_logits)


def _mean_softplus(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.softplus(_float32_at_least(x)))


def _mean(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(_float32_at_least(x))


def _float32_at_least(x: tf.Tensor) -> tf.Tensor:
    x = tf.convert_to_tensor(x)
    return tf.cast(x, tf.float32) if x.dtype.size < 4 else x


# For `compile`, by the network that minimizes them.
BY_NAME: dict[str, dict[str, Callable[..., tf.Tensor]]] = {
    "discriminator": {
        "minimax": minimax_discriminator,
        "least_squares": least_squares_discriminator,
        "unhalved_least_squares": unhalved_least_squares_discriminator,
        "hinge": hinge_discriminator,
        "wasserstein": wasserstein_discriminator,
    },
    "generator": {
        "non_saturating": non_saturating_generator,
        "minimax": minimax_generator,
        "least_squares": least_squares_generator,
        "unhalved_least_squares": unhalved_least_squares_generator,
        "hinge": hinge_generator,
        "wasserstein": wasserstein_generator,
    },
}


def get(network: str, loss: Any) -> Callable[..., tf.Tensor]:
    """A loss by name, or the function itself.

    Args:
        network: "discriminator" or "generator".
        loss: A name of `BY_NAME`, or a function of (real_logits, fake_logits) for the
            discriminator, of fake_logits for the generator, that returns a scalar.

    Raises:
        ValueError: Neither.
    """
    if callable(loss):
        return loss
    known = BY_NAME[network]
    if loss not in known:
        raise ValueError(
            f"{network}_loss must be one of {', '.join(known)}, or a function. Received: {loss!r}."
            + near_misses(str(loss), known)
        )
    return known[loss]


def real_from(discriminator_loss: Callable[..., tf.Tensor]) -> float:
    """The logit from which on a discriminator trained by this loss takes an image for real."""
    squares = (least_squares_discriminator, unhalved_least_squares_discriminator)
    return 0.5 if discriminator_loss in squares else 0.0
