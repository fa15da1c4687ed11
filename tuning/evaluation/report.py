"""One model's numbers on one set of examples, in the form in which they are tabled, logged and written.

evaluation = evaluate_model(
    test_logits, test_labels, validation_logits=val_logits, validation_labels=val_labels
)
mlflow.log_metrics({f"test_{name}": value for name, value in evaluation.as_dict().items()})
"""

from dataclasses import dataclass

from numpy.typing import ArrayLike

from tuning.evaluation.calibration import expected_calibration_error, fit_temperature
from tuning.evaluation.metrics import (
    Interval,
    check_examples,
    correct_per_example,
    nll_per_example,
    wilson_interval,
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one model achieved on one set of examples.

    Attributes:
        n_examples: Examples behind every number here but the temperature.
        accuracy: Share of correctly classified examples, a fraction.
        accuracy_interval: Wilson's 95 % interval of the accuracy.
        nll: Mean negative log-likelihood of the raw logits, nats an example.
        temperature: Divides the logits for the calibrated numbers; fitted on validation examples.
        nll_calibrated: The same mean at the temperature.
        ece: Expected calibration error of the raw logits, a fraction.
        ece_calibrated: The same error at the temperature.
        exact_match: Of several labels an example: share of examples with all of them right; the accuracy is then the
            share of right labels, and the losses are means over the labels. None for classes.
        exact_match_interval: Wilson's 95 % interval of it.
    """

    n_examples: int
    accuracy: float
    accuracy_interval: Interval
    nll: float
    temperature: float
    nll_calibrated: float
    ece: float
    ece_calibrated: float
    exact_match: float | None = None
    exact_match_interval: Interval | None = None

    def __post_init__(self) -> None:
        if self.n_examples < 1 or self.temperature <= 0:
            raise ValueError(f"`n_examples >= 1` and `temperature > 0` must hold, but got {self}.")
        if not 0 <= self.accuracy_interval.low <= self.accuracy <= self.accuracy_interval.high <= 1:
            raise ValueError(f"`accuracy` must be a fraction inside its interval, but got {self}.")

    @property
    def score(self) -> float:
        """What models are ranked by, the higher the better."""
        return self.accuracy

    @property
    def score_name(self) -> str:
        """The same in words."""
        return "accuracy" if self.exact_match is None else "accuracy of labels"

    @property
    def caption(self) -> str:
        """What to know when a table of `cells` is read."""
        if self.exact_match is None:
            return "95 % intervals (Wilson); loss in nats; T: temperature fitted on validation"
        return "95 % intervals (bootstrap); loss in nats a label; T: temperature fitted on validation"

    def cells(self) -> list[tuple[str, str]]:
        """Return the columns of a table, each with its head."""
        share = f"{100 * self.accuracy:.2f} ({_percents(self.accuracy_interval, '-')})"
        all_right = [] if self.exact_match is None else [("all right %", f"{100 * self.exact_match:.1f}")]
        return [
            ("accuracy %" if self.exact_match is None else "labels right %", share),
            *all_right,
            ("loss", short_loss(self.nll)),
            ("at T", short_loss(self.nll_calibrated)),
            ("ECE", f"{self.ece:.3f}"),
            ("at T", f"{self.ece_calibrated:.3f}"),
        ]

    def short(self) -> str:
        """Return the score alone."""
        return f"{100 * self.accuracy:.2f} %"

    @property
    def served_loss(self) -> float:
        """The mean loss of what the model gives to whoever uses it: at its temperature."""
        return self.nll_calibrated

    def headline(self) -> str:
        """Return the score with its interval."""
        return f"{100 * self.accuracy:.2f} % ({_percents(self.accuracy_interval, ' to ')})"

    def text(self) -> str:
        """Return all numbers in a clause."""
        share, all_right = _percents(self.accuracy_interval, " to "), ""
        if self.exact_match is not None and self.exact_match_interval is not None:
            limits = _percents(self.exact_match_interval, " to ")
            all_right = f"all labels right {100 * self.exact_match:.2f} % ({limits}), "
        return (
            f"{self.score_name} {100 * self.accuracy:.2f} % (95 % interval {share}), {all_right}"
            f"cross-entropy {self.nll:.4f}, at its best temperature {self.nll_calibrated:.4f}, "
            f"expected calibration error {self.ece:.4f}"
        )

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept."""
        matches = {} if self.exact_match is None else {"exact_match": self.exact_match}
        return {
            **matches,
            "n_examples": self.n_examples,
            "accuracy": self.accuracy,
            "accuracy_low": self.accuracy_interval.low,
            "accuracy_high": self.accuracy_interval.high,
            "nll": self.nll,
            "temperature": self.temperature,
            "nll_calibrated": self.nll_calibrated,
            "ece": self.ece,
            "ece_calibrated": self.ece_calibrated,
        }


def short_loss(loss: float) -> str:
    """Return a loss as wide as any other one: of one above ten nobody needs four decimals."""
    return f"{loss:.4f}" if loss < 10 else f"{loss:.4g}"


def _percents(interval: Interval, between: str) -> str:
    return f"{100 * interval.low:.2f}{between}{100 * interval.high:.2f}"


def evaluate_model(
    test_logits: ArrayLike,
    test_labels: ArrayLike,
    *,
    validation_logits: ArrayLike,
    validation_labels: ArrayLike,
    n_labels: int = 1,
) -> Evaluation:
    """Return one model's numbers on the test examples, its temperature fitted on the validation examples.

    Args:
        test_logits: Raw scores, shape (test examples, classes).
        test_labels: True classes, integers, shape (test examples,).
        validation_logits: Raw scores of the same model, shape (validation examples, classes).
        validation_labels: True classes, integers, shape (validation examples,).
        n_labels: How many rows belong to one example; the temperature alone asks.

    Raises:
        ValueError: If `check_examples` rejects a pair of arrays.
    """
    scores, classes = check_examples(test_logits, test_labels)
    temperature = fit_temperature(validation_logits, validation_labels, n_labels=n_labels)
    n_correct = int(correct_per_example(scores, classes).sum())
    return Evaluation(
        n_examples=len(classes),
        accuracy=n_correct / len(classes),
        accuracy_interval=wilson_interval(n_correct, len(classes)),
        nll=float(nll_per_example(scores, classes).mean()),
        temperature=temperature,
        nll_calibrated=float(nll_per_example(scores / temperature, classes).mean()),
        ece=expected_calibration_error(scores, classes),
        ece_calibrated=expected_calibration_error(scores, classes, temperature),
    )
