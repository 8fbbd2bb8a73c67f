"""What TensorFlow and Keras keep of models that are gone."""

import gc

import keras
from tensorflow.python.framework import ops


def let_go() -> None:
    """Frees the graphs of models that nothing refers to any more.

    TensorFlow registers the gradient of every `tf.custom_gradient` that it traces, such as that of
    a sum over replicas, by a name of its own and for good; through it the whole graph stays.
    """
    registry = ops.gradient_registry._registry
    for name in [name for name in registry if name.startswith("CustomGradient-")]:
        del registry[name]
    keras.utils.clear_session(free_memory=False)
    gc.collect()
