"""What a model's answers to the test examples cost, kept so that a later model is compared without opening them again.

kept = PerExample.of(test_logits, labels, temperature=1.3, examples_sha256=digest)
kept.save(folder)                                   # test_outcomes.npz, 5 bytes an example
PairedOutcomes.of(new, PerExample.load(folder), seed=0).is_better
"""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuning.evaluation.by_task import Scoring
from tuning.evaluation.comparison import (
    SIGNIFICANCE_LEVEL,
    bootstrap_mean_interval,
    mcnemar_p_values,
    newcombe_interval,
)
from tuning.evaluation.metrics import Interval, correct_per_example, nll_per_example

OUTCOMES_FILE = "test_outcomes.npz"


@dataclass(frozen=True, eq=False, slots=True)
class PerExample:
    """A model's losses and errors on a set of examples, an entry an example, in the examples' order.

    Args:
        losses: Of the outputs as they are served (a classifier's at its temperature), shape (n,), finite.
        is_wrong: Shape (n,); empty where there is no right or wrong.
        examples_sha256: Of the examples.

    Raises:
        ValueError: If the shapes do not fit, or a loss is not finite.
    """

    losses: NDArray[np.float32]
    is_wrong: NDArray[np.bool_]
    examples_sha256: str

    def __post_init__(self) -> None:
        if self.losses.ndim != 1 or len(self.losses) < 1 or self.is_wrong.shape not in ((0,), self.losses.shape):
            raise ValueError(
                f"Shapes (n,) and (n,) or (0,) are needed, got {self.losses.shape}, {self.is_wrong.shape}."
            )
        if not np.isfinite(self.losses).all():
            raise ValueError("Losses must be finite.")

    @classmethod
    def of(cls, logits: ArrayLike, labels: ArrayLike, *, temperature: float, examples_sha256: str) -> Self:
        """Those of a classifier.

        Args:
            logits: Raw scores, shape (n, classes).
            labels: True classes, shape (n,).
            temperature: Divides the logits, > 0.
            examples_sha256: Of the examples.
        """
        losses = nll_per_example(np.asarray(logits) / temperature, labels)
        return cls(losses.astype(np.float32), ~correct_per_example(logits, labels), examples_sha256)

    def save(self, folder: Path) -> None:
        """Write them into a folder."""
        arrays = {"losses": self.losses, "is_wrong": self.is_wrong, "examples_sha256": np.array(self.examples_sha256)}
        np.savez_compressed(folder / OUTCOMES_FILE, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read them from a folder; None where none were kept, or the file is damaged."""
        try:
            # Opened here: numpy leaves a damaged file open.
            with (folder / OUTCOMES_FILE).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                return cls(kept["losses"], kept["is_wrong"], str(kept["examples_sha256"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    @property
    def accuracy(self) -> float:
        """Share of right answers; NaN where there is no right or wrong."""
        return 1.0 - float(self.is_wrong.mean()) if len(self.is_wrong) else math.nan

    @property
    def loss(self) -> float:
        """The mean loss."""
        return float(self.losses.mean(dtype=np.float64))


def outcomes_of(
    scoring: Scoring, scores: NDArray[np.floating], labels: ArrayLike, temperature: float, examples_sha256: str
) -> PerExample:
    """Those of a model of any task; of several labels an example is wrong where one of them is.

    Args:
        scoring: Of the task.
        scores: As `scoring` takes them.
        labels: True.
        temperature: At which the model is served, > 0.
        examples_sha256: Of the examples.
    """
    true = np.asarray(labels)
    losses = scoring.losses(scoring.at(scores, temperature), true)
    return PerExample(losses.astype(np.float32), scoring.is_wrong(scores, true), examples_sha256)


@dataclass(frozen=True, slots=True)
class PairedOutcomes:
    """A model against a rival on the same examples; every difference is model minus rival.

    Attributes:
        loss_difference: Of the mean losses; negative is better.
        loss_interval: Its 95 % interval, percentiles of a paired bootstrap.
        only_model_right: Examples that the model alone answers correctly; 0 where there is no right or wrong.
        only_rival_right: Examples that the rival alone answers correctly.
        p_value: Exact two-sided McNemar test of equal accuracies.
        accuracy_difference: A fraction; positive is better.
        accuracy_interval: Its 95 % interval, Newcombe 1998, method 10.
        has_answers: Whether answers are right or wrong at all; values are neither.
    """

    loss_difference: float
    loss_interval: Interval
    only_model_right: int
    only_rival_right: int
    p_value: float
    accuracy_difference: float
    accuracy_interval: Interval
    has_answers: bool = True

    @classmethod
    def of(cls, model: PerExample, rival: PerExample, *, seed: int) -> Self:
        """Compare two models.

        Args:
            model: On some examples.
            rival: On the same ones.
            seed: Of the bootstrap.

        Raises:
            ValueError: If the examples are not the same.
        """
        if model.examples_sha256 != rival.examples_sha256 or len(model.losses) != len(rival.losses):
            raise ValueError("Only models on the same examples can be compared.")
        differences = model.losses.astype(np.float64) - rival.losses
        right, rival_right = ~model.is_wrong, ~rival.is_wrong
        b, c = int((right & ~rival_right).sum()), int((rival_right & ~right).sum())
        n_both, n_neither = int((right & rival_right).sum()), int((~right & ~rival_right).sum())
        has_answers = len(right) > 0
        return cls(
            loss_difference=float(differences.mean()),
            loss_interval=bootstrap_mean_interval(differences, seed),
            only_model_right=b,
            only_rival_right=c,
            p_value=mcnemar_p_values(b, c)[0],
            accuracy_difference=(b - c) / len(right) if has_answers else 0.0,
            accuracy_interval=newcombe_interval(n_both, b, c, n_neither) if has_answers else Interval(0.0, 0.0),
            has_answers=has_answers,
        )

    @property
    def is_better(self) -> bool:
        """Better in loss or accuracy beyond the noise, and worse in neither."""
        return any(shown > 0 for shown in self._shown) and all(shown >= 0 for shown in self._shown)

    @property
    def is_worse(self) -> bool:
        """Worse in loss or accuracy beyond the noise, and better in neither."""
        return any(shown < 0 for shown in self._shown) and all(shown <= 0 for shown in self._shown)

    def sentence(self, model: str, rival: str) -> str:
        """The comparison in one sentence, without a full stop.

        Args:
            model: How to call the model.
            rival: How to call the rival.
        """
        loss, accuracy = self.loss_interval, self.accuracy_interval
        verdict = f"no difference shown between {model} and {rival}"
        if self.is_better or self.is_worse:
            verdict = f"{model} is {'better' if self.is_better else 'worse'} than {rival}"
        elif any(self._shown):
            verdict = f"{model} is better than {rival} in one and worse in the other"
        if not self.has_answers:
            return f"{verdict}: loss {self.loss_difference:+.4f} ({loss.low:+.4f} to {loss.high:+.4f})"
        return (
            f"{verdict}: loss {self.loss_difference:+.4f} ({loss.low:+.4f} to {loss.high:+.4f}), accuracy "
            f"{100 * self.accuracy_difference:+.2f} points ({100 * accuracy.low:+.2f} to {100 * accuracy.high:+.2f}), "
            f"exact McNemar p = {self.p_value:.2g}"
        )

    @property
    def _shown(self) -> tuple[int, int]:
        """Of loss and accuracy: 1 where the model is shown to be better, -1 where worse, 0 where neither."""
        loss, accuracy = self.loss_interval, self.accuracy_interval
        is_decided = self.p_value < SIGNIFICANCE_LEVEL and not accuracy.holds(0.0)
        return (
            0 if loss.holds(0.0) else (1 if self.loss_difference < 0 else -1),
            0 if not is_decided else (1 if self.accuracy_difference > 0 else -1),
        )
