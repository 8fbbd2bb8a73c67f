"""A classifier of real images, for what labels can tell: class accuracy and class balance.

Multinomial logistic regression on the feature network's features, which are frozen:

    p(y | x) = softmax(W (f(x) - mean) / std + b),   W = b = 0 at first

trained by Keras on labelled real training images. It starts from zeros and meets the rows in one
fixed order, so it is a function of its data.
"""

from typing import Any

import keras
import numpy as np

from trainers.metrics import rows

EPOCHS = 20
BATCH = 256
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-4


class Classifier:
    """Fits on construction.

    Args:
        features: [N, d] of real training images, held in memory.
        labels: int [N] in [0, num_classes).
        num_classes: at least 2.

    Raises:
        ValueError: labels that do not fit the features or the classes.
    """

    def __init__(self, features: Any, labels: np.ndarray, num_classes: int) -> None:
        rows.check(features, "training", at_least=num_classes)
        labels = np.asarray(labels)
        if labels.shape != (len(features),) or not 0 <= labels.min() <= labels.max() < num_classes:
            raise ValueError(
                f"A classifier needs one label in [0, {num_classes}) for each image. "
                f"Received: {labels.shape} labels in [{labels.min()}, {labels.max()}] for "
                f"{len(features)} images."
            )
        x = np.asarray(features, np.float32)
        self._mean, self._std = x.mean(axis=0), x.std(axis=0) + 1e-6
        order = np.random.default_rng(0).permutation(len(x))
        self._model = keras.Sequential(
            [
                keras.Input([x.shape[1]]),
                keras.layers.Dense(num_classes, kernel_initializer="zeros", dtype="float32"),
            ]
        )
        self._model.compile(
            optimizer=keras.optimizers.AdamW(LEARNING_RATE, weight_decay=WEIGHT_DECAY),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        self._model.fit(
            self._normal(x[order]),
            labels[order],
            batch_size=BATCH,
            epochs=EPOCHS,
            shuffle=False,
            verbose=0,
        )

    def predict(self, features: Any) -> np.ndarray:
        """The likeliest class of each row of features [n, d], int64 [n]."""
        parts = [np.empty(0, np.int64)]
        for _, block in rows.blocks(features):
            logits = self._model(self._normal(block.astype(np.float32)), training=False)
            parts.append(np.argmax(logits, axis=1))
        return np.concatenate(parts)

    def _normal(self, features: np.ndarray) -> np.ndarray:
        return (features - self._mean) / self._std


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of images in which the classifier sees the class of their label.

    Of images made for labels: class accuracy, "does the generator draw what it is asked for?"

    Args:
        labels: int [n].
        predicted: int [n], the classifier's.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.shape != predicted.shape or labels.size == 0:
        raise ValueError(
            "Accuracy needs as many labels as predictions, at least one. "
            f"Received: {labels.shape} and {predicted.shape}."
        )
    return float((labels == predicted).mean())


def class_balance(
    real: np.ndarray, fake: np.ndarray, num_classes: int
) -> tuple[float, list[float], list[float]]:
    """How far the classes of fakes are from those of real images: which are missing?

    Total variation,  1/2 sum_c | p_real(c) - p_fake(c) |,  0 where they agree, 1 where no class is
    in both. Both sides are the classifier's predictions, so its own leanings cancel.

    Args:
        real: predicted classes, int [m].
        fake: predicted classes, int [n].
        num_classes: at least 2.

    Returns:
        (total variation, shares of the classes among real [c], among fakes [c]).
    """
    p, q = (np.bincount(x, minlength=num_classes) / len(x) for x in (real, fake))
    return float(np.abs(p - q).sum() / 2), p.tolist(), q.tolist()
