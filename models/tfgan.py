"""TF-GAN's classifier score and Frechet classifier distance, on today's TensorFlow.

`import tensorflow_gan` fails since TensorFlow lost its estimators, but the module with these measures needs none of
them. It is loaded by itself here: empty packages stand for its parents, whose `__init__` would import the rest, while
it loads, and are taken away again.

    measures = load_tfgan()
    measures.classifier_score(logits)              # exp(E KL(p(y|x) || p(y))), 1 to the number of classes
    measures.frechet_distance(logits, others)      # 0 for two sets of the same mean and covariance

Both take what the classifier returns for the images, as TF-GAN's own MNIST example does (`examples/mnist/util.py`:
`mnist_score` and `mnist_frechet_distance` use the logits of its classifier as activations).

Sources: Salimans et al. 2016, "Improved techniques for training GANs"; Heusel et al. 2017, "GANs trained by a two
time-scale update rule"; both NeurIPS.
"""

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PACKAGE = "tensorflow_gan"
_MODULE = "tensorflow_gan.python.eval.classifier_metrics"


class TfGanAbsentError(Exception):
    """TF-GAN's measures cannot be had; the message says why and what to do, as a clause for a note."""


@dataclass(frozen=True)
class TfGanMeasures:
    """TF-GAN's functions as functions of arrays; `module` is its `classifier_metrics`."""

    module: Any

    def classifier_score(self, logits: NDArray[np.floating]) -> float:
        """Return the classifier score of some images.

        Args:
            logits: What the classifier returns for them, shape (images, classes).

        Returns:
            From 1 (all images look alike) to the number of classes (sure answers, all classes equally often).
        """
        return float(self.module.classifier_score_from_logits(np.asarray(logits, np.float64)))

    def frechet_distance(self, first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
        """Return the Frechet classifier distance of two sets of images; it grows as sets shrink, so take equal sizes.

        Args:
            first: What the classifier returns for one set, shape (images, classes), more images than classes.
            second: What it returns for the other.

        Returns:
            |m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2)) of their means and covariances, in squared units of the logits.
        """
        return float(self._distance(*(np.asarray(each, np.float64) for each in (first, second))))

    @cached_property
    def _distance(self) -> Callable[..., Any]:
        import tensorflow as tf

        # Compiled: a comparison with chance takes hundreds of distances, which would take seconds op by op.
        distance = self.module.frechet_classifier_distance_from_activations
        compiled: Callable[..., Any] = tf.function(distance, autograph=False, reduce_retracing=True)
        return compiled


def load_tfgan() -> TfGanMeasures:
    """Load the measures; seconds, because it imports TensorFlow Probability.

    Raises:
        TfGanAbsentError: If tensorflow-gan, or what it needs, is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)  # finds the package without running it
    if spec is None or not spec.submodule_search_locations:
        raise TfGanAbsentError('tensorflow-gan is not installed: pip install "overfit-backoff[gan]"')
    try:
        return TfGanMeasures(_loaded_alone(Path(spec.submodule_search_locations[0])))
    except (ImportError, AttributeError) as error:
        raise TfGanAbsentError(
            f'tensorflow-gan cannot be loaded ({error}): pip install --upgrade "overfit-backoff[gan]"'
        ) from error


def _loaded_alone(folder: Path) -> types.ModuleType:
    before = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == _PACKAGE}
    parents = {
        _PACKAGE: folder,
        f"{_PACKAGE}.python": folder / "python",
        f"{_PACKAGE}.python.eval": folder / "python/eval",
    }
    try:
        for name, path in parents.items():
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__path__ = [str(path)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TensorFlow Probability 0.25 warns of what TensorFlow will take away
            return importlib.import_module(_MODULE)
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == _PACKAGE]:
            del sys.modules[name]
        sys.modules.update(before)
