"""What one example costs a model that is not compiled: the loss of its task.

| task | network gives | loss | error |
|---|---|---|---|
| multiclass | a logit a class | cross-entropy, nats | whether another class's logit is the largest |
| binary | one logit | cross-entropy, nats | whether it is on the wrong side of 0 |
| multilabel | a logit a label | mean cross-entropy of its labels, nats | share of its labels on the wrong side of 0 |
| regression | values, in the targets' unit | squared error over the training targets' variance | the same |

So a network that always gives the mean has a regression loss of about 1, and a loss of 0.3 leaves 30 % of the variance
unexplained.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuning.data import Dataset, TrainingData
from tuning.engine.criterion import Criterion
from tuning.task import Task


class CrossEntropyOfLogits:
    """Classes as numbers against logits, in nats."""

    has_values = False

    def losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """-log of the true class's probability."""
        return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), tf.cast(outputs, tf.float32))

    def errors(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Whether the largest logit is another class's."""
        return tf.argmax(outputs, axis=1, output_type=tf.int32) != tf.cast(labels, tf.int32)

    def logits(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """They are."""
        return outputs


class SigmoidCrossEntropy:
    """Labels, each yes or no, against a logit each, in nats; the two classes of a binary task are one such label."""

    has_values = False

    def losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Mean over the labels of -log of the true answer's probability."""
        logits = tf.cast(outputs, tf.float32)
        answers = tf.cast(tf.reshape(labels, tf.shape(logits)), tf.float32)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(answers, logits), axis=1)

    def errors(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Share of the labels whose logit is on the wrong side of 0."""
        is_wrong = (outputs > 0) != tf.cast(tf.reshape(labels, tf.shape(outputs)), tf.bool)
        return tf.reduce_mean(tf.cast(is_wrong, tf.float32), axis=1)

    def logits(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """They are."""
        return outputs


class StandardizedSquaredError:
    """Numbers against numbers, in variances of the training targets.

    Args:
        deviation: Standard deviation of each training target, in its unit, > 0, shape (numbers,).
    """

    has_values = True

    def __init__(self, deviation: NDArray[np.float32]) -> None:
        self._deviation = np.asarray(deviation, np.float32)

    def losses(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """Mean over the numbers of the squared difference in deviations."""
        values = tf.cast(outputs, tf.float32)
        differences = (values - tf.cast(tf.reshape(labels, tf.shape(values)), tf.float32)) / self._deviation
        return tf.reduce_mean(tf.square(differences), axis=1)

    def errors(self, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """The same: what is not explained is the error."""
        return self.losses(labels, outputs)

    def logits(self, outputs: NDArray[np.float32]) -> None:
        """There is no temperature of a number."""
        return


def criterion_of(data: Dataset | TrainingData) -> Criterion:
    """The criterion of a data set's task."""
    if data.target_scaling is not None:
        return StandardizedSquaredError(data.target_scaling.deviation)
    return CrossEntropyOfLogits() if data.task is Task.MULTICLASS else SigmoidCrossEntropy()
