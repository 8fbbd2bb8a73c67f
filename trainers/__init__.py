"""How a GAN is trained and measured."""

import zoo  # noqa: F401  (first: it says what to install where TensorFlow is missing)
