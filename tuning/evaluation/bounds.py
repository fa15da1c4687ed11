"""What a loss can be at a given accuracy, under each reading of the outputs: what lies outside is ruled out.

At 98 % of ten classes a loss of 4.7 cannot come from any probabilities, clipped or not, right or wrong:

    [bound.reading for bound in loss_bounds(n_classes=10, accuracy=0.98) if not bound.allows(4.7)]
"""

import math
from dataclasses import dataclass

from tuning.evaluation.readings import EPSILON


@dataclass(frozen=True, slots=True)
class LossBound:
    """The least and the largest mean cross-entropy that a reading of the outputs can give, in nats an example.

    Attributes:
        reading: What the loss took the outputs for.
        low: The least.
        high: The largest; None where there is no limit.
    """

    reading: str
    low: float
    high: float | None

    def allows(self, loss: float) -> bool:
        """Return whether a mean loss in nats lies within the bounds, up to rounding."""
        return self.low - 1e-3 <= loss and (self.high is None or loss <= self.high + 1e-3)


def loss_bounds(n_classes: int, accuracy: float) -> tuple[LossBound, ...]:
    """Return what the mean cross-entropy can be at this accuracy.

    A right answer holds the largest probability, so at least 1 / n_classes; a wrong one costs at most -ln(EPSILON),
    because probabilities are clipped. Softmax of probabilities sees scores between 0 and 1 only.

    Args:
        n_classes: At least 2.
        accuracy: Share of right answers, a fraction.

    Raises:
        ValueError: If an argument is out of its range.
    """
    if n_classes < 2 or not 0 <= accuracy <= 1:
        raise ValueError(f"`n_classes >= 2` and an accuracy in [0, 1] are needed, but got ({n_classes=}, {accuracy=}).")
    error, worst = 1 - accuracy, math.log(1 + (n_classes - 1) * EPSILON) - math.log(EPSILON)
    twice_low, twice_high = math.log(math.e + n_classes - 1) - 1, math.log(math.e + n_classes - 1)
    # A wrong answer gives the true class at most half of the mass.
    least = error * math.log(2)
    return (
        LossBound("probabilities, clipped", least, accuracy * math.log(n_classes) + error * worst),
        LossBound("answers without doubt (one-hot), clipped", error * worst, error * worst),
        LossBound("softmax of probabilities", twice_low, twice_high),
        LossBound("logits", least, None),
    )
