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
    """

    n_examples: int
    accuracy: float
    accuracy_interval: Interval
    nll: float
    temperature: float
    nll_calibrated: float
    ece: float
    ece_calibrated: float

    def __post_init__(self) -> None:
        if self.n_examples < 1 or self.temperature <= 0:
            raise ValueError(f"`n_examples >= 1` and `temperature > 0` must hold, but got {self}.")
        if not 0 <= self.accuracy_interval.low <= self.accuracy <= self.accuracy_interval.high <= 1:
            raise ValueError(f"`accuracy` must be a fraction inside its interval, but got {self}.")

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept."""
        return {
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


def evaluate_model(
    test_logits: ArrayLike,
    test_labels: ArrayLike,
    *,
    validation_logits: ArrayLike,
    validation_labels: ArrayLike,
) -> Evaluation:
    """Return one model's numbers on the test examples, its temperature fitted on the validation examples.

    Args:
        test_logits: Raw scores, shape (test examples, classes).
        test_labels: True classes, integers, shape (test examples,).
        validation_logits: Raw scores of the same model, shape (validation examples, classes).
        validation_labels: True classes, integers, shape (validation examples,).

    Raises:
        ValueError: If `check_examples` rejects a pair of arrays.
    """
    scores, classes = check_examples(test_logits, test_labels)
    temperature = fit_temperature(validation_logits, validation_labels)
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
