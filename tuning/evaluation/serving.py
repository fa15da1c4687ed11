"""What whoever uses a model gets: probabilities at the temperature fitted on validation, or values as they are.

temperature = temperature_of(val_outputs, val_labels, Task.MULTILABEL)
probabilities = served(outputs, temperature, Task.MULTILABEL)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from tuning.evaluation.calibration import fit_temperature
from tuning.evaluation.metrics import yes_or_no
from tuning.task import Task


def temperature_of(outputs: NDArray[Any], labels: NDArray[Any], task: Task) -> float:
    """The temperature that suits validation examples; 1 for values, which have none.

    Args:
        outputs: A network's logits, or values, shape (n, outputs).
        labels: True, as `tuning.data` keeps them.
        task: What the network learned.
    """
    if task is Task.REGRESSION:
        return 1.0
    n_labels = labels.shape[1] if labels.ndim == 2 else 1
    rows = outputs if task is Task.MULTICLASS else yes_or_no(outputs)
    return fit_temperature(rows, labels.ravel(), n_labels=n_labels)


def served(outputs: NDArray[Any], temperature: float, task: Task) -> NDArray[np.float64]:
    """Probabilities of the classes, of class 1, or of each label; or the values. Shape (n, outputs).

    Args:
        outputs: A network's logits, or values, shape (n, outputs).
        temperature: Divides logits, > 0.
        task: What the network learned.
    """
    numbers = np.asarray(outputs, np.float64)
    if task is Task.REGRESSION:
        return numbers
    probabilities = softmax(numbers / temperature, axis=1) if task is Task.MULTICLASS else expit(numbers / temperature)
    return np.asarray(probabilities)
