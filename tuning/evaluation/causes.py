"""The one cause of a loss that does not fit its accuracy, named from a few numbers; a pure decision.

The order of the questions matters: outputs that are read as what they are not make every later number meaningless, and
a temperature says nothing where the answers hold no information.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tuning.evaluation.bounds import loss_bounds
from tuning.evaluation.metrics import Interval
from tuning.evaluation.readings import CLIPPED, DIVIDED, LOGITS, TWICE


class Cause(StrEnum):
    """Why a loss is what it is."""

    PROBABILITIES_AS_LOGITS = "probabilities taken for logits"
    LOGITS_AS_PROBABILITIES = "logits taken for probabilities"
    UNEXPLAINED = "the reported loss is not explained"
    NO_INFORMATION = "no information in the answers"
    UNSCALED_INPUTS = "unscaled inputs"
    OVER_CONFIDENCE = "ordinary over-confidence"
    UNDER_CONFIDENCE = "under-confidence"
    NOTHING_WRONG = "nothing wrong"


# Networks that were only trained too long need 1.2 to 5; the smallest usual scale of inputs, 16 levels, gives 16.
LARGE_TEMPERATURE = 10.0
# Below this, scaling is a matter of taste: a tenth more or less of the logits costs some thousandths of a nat.
NOTABLE_TEMPERATURE = 1.1
_SAME = 0.01  # two computations of one mean loss agree better than this, relative
_PIXEL_TEMPERATURES = (90.0, 360.0)  # what pixels of 0 to 255 give where [0, 1] (255) or [-1, 1] (127.5) is right


@dataclass(frozen=True, slots=True)
class LossFacts:
    """What the cause is decided from; losses are means in nats an example.

    Attributes:
        readings: Loss under every reading of the outputs, see `readings`.
        from_logits: Whether the loss took the outputs for logits.
        are_probabilities: Whether they are probabilities.
        reported: The loss that somebody reported for these examples, if any.
        nll: The loss as the outputs were read.
        nll_calibrated: The same at the fitted temperature.
        gain_interval: 95 % interval of what the temperature saves.
        margin_interval: 95 % interval of what the calibrated loss saves against guessing, ln(n_classes).
        temperature: The fitted temperature.
        all_right: Whether every answer is right that the temperature was fitted to: then none is too low, and it
            says nothing.
        n_classes: Number of classes.
        error: Share of wrong answers.
        loss_share_on_errors: Share of the loss that sits on them.
        trained_for: The scaling of inputs that the network was trained for, if it is known; else empty.
    """

    readings: Mapping[str, float]
    from_logits: bool
    are_probabilities: bool
    reported: float | None
    nll: float
    nll_calibrated: float
    gain_interval: Interval
    margin_interval: Interval
    temperature: float
    all_right: bool
    n_classes: int
    error: float
    loss_share_on_errors: float
    trained_for: str = ""

    @property
    def seen(self) -> float:
        """The loss that is to be explained."""
        return self.nll if self.reported is None else self.reported

    @property
    def reread(self) -> float:
        """The loss of the outputs read as what they are."""
        return self.readings[CLIPPED] if self.are_probabilities else self.readings[LOGITS]


def name_cause(facts: LossFacts) -> Cause:
    """Return the cause: the first of the questions that says yes."""
    if facts.from_logits and facts.are_probabilities:
        return Cause.PROBABILITIES_AS_LOGITS
    if not facts.from_logits and not facts.are_probabilities:
        return Cause.LOGITS_AS_PROBABILITIES
    if facts.reported is not None and not _same(facts.reported, facts.nll):
        return _misreading(facts.reported, facts.readings)
    if facts.all_right:
        return Cause.NOTHING_WRONG
    if facts.margin_interval.low <= 0:
        return Cause.NO_INFORMATION
    return _by_temperature(facts.temperature) if facts.gain_interval.low > 0 else Cause.NOTHING_WRONG


def _by_temperature(temperature: float) -> Cause:
    if temperature >= LARGE_TEMPERATURE:
        return Cause.UNSCALED_INPUTS
    if temperature > NOTABLE_TEMPERATURE:
        return Cause.OVER_CONFIDENCE
    return Cause.UNDER_CONFIDENCE if temperature < 1 / NOTABLE_TEMPERATURE else Cause.NOTHING_WRONG


def _misreading(reported: float, losses: Mapping[str, float]) -> Cause:
    """The reading of sound outputs that gives the reported loss."""
    if _same(reported, losses[TWICE]):
        return Cause.PROBABILITIES_AS_LOGITS
    is_clipped = _same(reported, losses[CLIPPED]) or _same(reported, losses[DIVIDED])
    return Cause.LOGITS_AS_PROBABILITIES if is_clipped else Cause.UNEXPLAINED


def _same(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=_SAME, abs_tol=1e-4)


def cause_sentence(cause: Cause, facts: LossFacts) -> str:
    """Return the cause with its evidence, one sentence without its full stop."""
    return f"{cause.value}: {_EVIDENCE[cause](facts)}"


def _twice(facts: LossFacts) -> str:
    high = math.log(math.e + facts.n_classes - 1)
    return (
        f"a second softmax keeps the loss between {high - 1:.2f} and {high:.2f} nats, here {facts.seen:.3g}; "
        f"read as what they are, the outputs cost {facts.reread:.3g}"
    )


def _clipped(facts: LossFacts) -> str:
    return (
        f"clipped as if they were probabilities, the outputs cost {facts.seen:.3g} nats; "
        f"read as logits, {facts.reread:.3g}"
    )


def _unexplained(facts: LossFacts) -> str:
    return (
        f"{facts.seen:.3g} nats, but these outputs cost {facts.nll:.3g}: other examples, a sum in the place of "
        "the mean, or a penalty inside"
    )


def _uninformed(facts: LossFacts) -> str:
    guessing = math.log(facts.n_classes)
    return (
        f"even at its best temperature the loss, {facts.nll_calibrated:.3g} nats, is not shown to be below that of "
        f"guessing, {guessing:.3g}: labels in another order, an untrained network, or inputs it was not trained for"
    )


def _unscaled(facts: LossFacts) -> str:
    low, high = _PIXEL_TEMPERATURES
    guess = "[0, 1] or [-1, 1]" if low < facts.temperature < high else "a smaller scale"
    most = max(bound.high for bound in loss_bounds(facts.n_classes, 1 - facts.error) if bound.high is not None)
    ruled_out = f"; probabilities could cost {most:.3g} at most" if facts.nll > most else ""
    return (
        f"the logits are {facts.temperature:.3g} times too large, as inputs that are not scaled make them in a network "
        f"trained on inputs of {facts.trained_for or guess}; divided by that, the loss falls from {facts.nll:.3g} to "
        f"{facts.nll_calibrated:.3g} nats with the same answers "
        f"({100 * facts.loss_share_on_errors:.0f} % of it sat on the {100 * facts.error:.2g} % errors){ruled_out}"
    )


def _miscalibrated(facts: LossFacts) -> str:
    gain, much = facts.gain_interval, "large" if facts.temperature > 1 else "small"
    size = facts.temperature if facts.temperature > 1 else 1 / facts.temperature
    return (
        f"the logits are {size:.3g} times too {much}; at temperature {facts.temperature:.3g} the loss falls from "
        f"{facts.nll:.4f} to {facts.nll_calibrated:.4f} nats (by {gain.low:.4f} to {gain.high:.4f})"
    )


def _sound(facts: LossFacts) -> str:
    gain = facts.gain_interval
    if facts.all_right:
        return f"the loss is {facts.nll:.4f} nats; every answer that a temperature could be fitted to is right"
    return (
        f"temperature {facts.temperature:.3g} changes the loss of {facts.nll:.4f} nats "
        f"by no more than {max(abs(gain.low), abs(gain.high)):.4f}"
    )


_EVIDENCE = {
    Cause.PROBABILITIES_AS_LOGITS: _twice,
    Cause.LOGITS_AS_PROBABILITIES: _clipped,
    Cause.UNEXPLAINED: _unexplained,
    Cause.NO_INFORMATION: _uninformed,
    Cause.UNSCALED_INPUTS: _unscaled,
    Cause.OVER_CONFIDENCE: _miscalibrated,
    Cause.UNDER_CONFIDENCE: _miscalibrated,
    Cause.NOTHING_WRONG: _sound,
}
