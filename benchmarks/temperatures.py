"""What does the prior of `fit_temperature` gain where validation examples are few? Prints a table.

    python -m benchmarks.temperatures

Networks of scikit-learn, so that it takes two minutes: small, large, and with weight decay, each at its best epoch and
at its last one, on many splits into 64 % train, 16 % validation and 20 % test. A temperature is fitted on validation,
with the prior and without, and judged by the loss of the test examples. The prior was chosen on the first four.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from tuning.data.sources import find_source
from tuning.evaluation import fit_temperature
from tuning.evaluation.calibration import LOG_TEMPERATURE_BOUNDS
from tuning.evaluation.metrics import nll_per_example

Array = NDArray[np.float64]
Labels = NDArray[np.intp]

N_SPLITS = {
    "breast_cancer": 40,
    "wine": 40,
    "digits": 12,
    "mnist5k": 6,
    "iris": 40,
    "digits, 300 rows": 30,
    "made, 400 rows": 30,
}


@dataclass(frozen=True)
class Network:
    """A kind of network: units of its one hidden layer, weight decay, learning rate, epochs."""

    n_units: int
    decay: float
    learning_rate: float
    n_epochs: int


NETWORKS = (Network(16, 1e-4, 1e-3, 60), Network(128, 1e-4, 3e-3, 40), Network(64, 1.0, 3e-3, 40))


def examples(name: str) -> tuple[Array, Labels]:
    """Inputs, a row each, and classes."""
    if name == "iris":
        return datasets.load_iris(return_X_y=True)
    if name == "made, 400 rows":
        return datasets.make_classification(400, 20, n_informative=6, n_classes=3, flip_y=0.05, random_state=1)
    rows = find_source(name.partition(",")[0], environ={}, download_timeout_secs=0).read()
    x, y = rows["x_train"].reshape(len(rows["x_train"]), -1).astype(np.float64), rows["y_train"].astype(np.intp)
    return (x[:300], y[:300]) if name.endswith("300 rows") else (x, y)


def unpenalised(logits: Array, labels: Labels) -> float:
    """The temperature without a prior, as it was: 1 where all are right, or where no other is better."""
    if (logits.argmax(axis=1) == labels).all():
        return 1.0

    def loss(log_t: float) -> float:
        return float(nll_per_example(logits * math.exp(-log_t), labels).mean())

    return math.exp(min(0.0, float(minimize_scalar(loss, bounds=LOG_TEMPERATURE_BOUNDS, method="bounded").x), key=loss))


def logits_of(network: MLPClassifier, x: Array) -> Array:
    """What the last layer gives; of two classes scikit-learn has one, the other one's is 0."""
    for weights, bias in zip(network.coefs_[:-1], network.intercepts_[:-1], strict=True):
        x = np.maximum(x @ weights + bias, 0)
    last = x @ network.coefs_[-1] + network.intercepts_[-1]
    return np.hstack([np.zeros_like(last), last]) if last.shape[1] == 1 else last


def losses(name: str, split: int) -> Iterator[tuple[float, float, float]]:
    """Of each network at two epochs the test loss at 1, at the temperature without a prior, and with it."""
    x, y = examples(name)
    x, rest_x, y, rest_y = train_test_split(x, y, test_size=0.36, stratify=y, random_state=split)
    val_x, test_x, val_y, test_y = train_test_split(
        rest_x, rest_y, test_size=0.2 / 0.36, stratify=rest_y, random_state=split
    )
    scaler = StandardScaler().fit(x)
    x, val_x, test_x = map(scaler.transform, (x, val_x, test_x))
    for kind in NETWORKS:
        epochs = list(_epochs(kind, x, y, (val_x, test_x), split))
        best = min(epochs, key=lambda parts: nll_per_example(parts[0], val_y).mean())
        for val, test in (best, epochs[-1]):
            temperatures = (1.0, unpenalised(val, val_y), fit_temperature(val, val_y))
            one, before, now = (float(nll_per_example(test / t, test_y).mean()) for t in temperatures)
            yield one, before, now


def _epochs(kind: Network, x: Array, y: Labels, parts: tuple[Array, Array], seed: int) -> Iterator[tuple[Array, Array]]:
    network = MLPClassifier(
        (kind.n_units,), alpha=kind.decay, learning_rate_init=kind.learning_rate, batch_size=32, random_state=seed
    )
    for _ in range(kind.n_epochs):
        network.partial_fit(x, y, classes=np.unique(y))
        val, test = (logits_of(network, part) for part in parts)
        yield val, test


def main() -> None:
    """Print the table; the interval is that of the mean over splits."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| data | splits | validation rows | at 1 | without prior | with prior | difference |\n" + "|---" * 7 + "|")
    for name, n_splits in N_SPLITS.items():
        found = np.array([np.mean(list(losses(name, split)), axis=0) for split in range(n_splits)])
        one, before, now = found.mean(axis=0)
        gain = found[:, 2] - found[:, 1]
        half = 2 * gain.std(ddof=1) / math.sqrt(n_splits)
        n_val = round(0.16 * len(examples(name)[1]))
        numbers = f"{one:.4f} | {before:.4f} | {now:.4f} | {gain.mean():+.4f} ± {half:.4f}"
        print(f"| {name} | {n_splits} | {n_val} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
