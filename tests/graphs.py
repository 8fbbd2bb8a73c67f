"""The graphs of tests: traced at little cost, and let go of."""

import gc

import keras
import tensorflow as tf
from tensorflow.python.framework import ops


def optimize_none() -> None:
    """Most of a test's time is the tracing of graphs that run once, a fifth of it optimizing them.

    The bits differ by it. Commands and servers that the tests start do optimize.
    """
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


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
