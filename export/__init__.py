"""How a GAN leaves Keras: as a SavedModel."""

import zoo  # noqa: F401  (first: it says what to install where TensorFlow is missing)
