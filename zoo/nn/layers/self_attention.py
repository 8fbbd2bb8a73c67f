"""Self-attention over an image (Zhang et al. 2019, SAGAN; as in its code)."""

from typing import Any

import keras
import tensorflow as tf

from zoo.nn.layers.spectral_norm import SpectralNormConv2D


@keras.saving.register_keras_serializable("gan_zoo")
class SelfAttention(keras.layers.Layer):
    """y = x + gamma o(softmax(theta(x) phi(x)^T) g(x)), gamma starts at 0: [N, H, W, C], C >= 8.

    Every pixel attends to every 2x2 patch. theta, phi, g and o are 1x1 convolutions of spectral
    norm 1 without bias, to C / 8, C / 8, C / 2 and back to C; phi and g take the maximum of each
    patch.

    Reference: Zhang et al. 2019, "Self-Attention Generative Adversarial Networks", equations 1 to
    3; the bottlenecks and the pooling are those of its code and of BigGAN's.

    Args:
        normalize: As in `SpectralNormConv2D`.
    """

    def __init__(self, normalize: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.normalize = normalize

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        features = input_shape[-1]
        if features < 8:
            raise ValueError(
                f"SelfAttention must be given at least 8 features. Received: {features}."
            )

        def conv(name: str, inputs: int, filters: int) -> SpectralNormConv2D:
            layer = SpectralNormConv2D(
                filters,
                1,
                use_bias=False,
                normalize=self.normalize,
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build((*input_shape[:-1], inputs))
            return layer

        self.theta = conv("theta", features, features // 8)
        self.phi = conv("phi", features, features // 8)
        self.g = conv("g", features, features // 2)
        self.o = conv("o", features // 2, features)
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        height, width = inputs.shape[1:3]
        theta = _rows(self.theta(inputs, training=training))  # [N, HW, C / 8]
        phi = _rows(tf.nn.max_pool2d(self.phi(inputs, training=training), 2, 2, "VALID"))
        g = _rows(tf.nn.max_pool2d(self.g(inputs, training=training), 2, 2, "VALID"))
        scores = tf.matmul(theta, phi, transpose_b=True)  # [N, HW, HW / 4]
        weights = tf.nn.softmax(tf.cast(scores, tf.float32))
        seen = tf.matmul(tf.cast(weights, g.dtype), g)  # [N, HW, C / 2]
        seen = self.o(tf.reshape(seen, [-1, height, width, g.shape[-1]]), training=training)
        return inputs + tf.convert_to_tensor(self.gamma) * seen

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "normalize": self.normalize}


def _rows(x: tf.Tensor) -> tf.Tensor:
    """[N, H, W, C] -> [N, HW, C]."""
    return tf.reshape(x, [tf.shape(x)[0], -1, x.shape[-1]])
