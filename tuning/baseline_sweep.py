"""Which scaling of the inputs a baseline was trained for, as plain data: it stands in the result."""

from __future__ import annotations

from dataclasses import dataclass

from models.baseline_scaling import RAW, UNIT
from tuning.evaluation import Interval


@dataclass(frozen=True)
class ScalingScore:
    """What a baseline gives under one scaling of its inputs, on validation images.

    Attributes:
        scaling: Its name.
        accuracy: A fraction; None where an output is not finite.
        nll: Mean negative log-likelihood, nats; None likewise.
        temperature: Fitted to the same images, to show a wrong scale; None likewise.
    """

    scaling: str
    accuracy: float | None = None
    nll: float | None = None
    temperature: float | None = None


@dataclass(frozen=True)
class ScalingSweep:
    """Which scaling a baseline was trained for, by its loss on validation images.

    Attributes:
        scores: Of every usual scaling.
        chosen: The one of the lowest loss, which the comparison uses.
        runner_up: The next one.
        lead: Loss of the runner-up minus loss of the chosen one, nats.
        lead_interval: Its 95 % interval, paired bootstrap.
        documented: The scaling that the module's documentation names; empty where there is none.
        outputs: "logits", or "probabilities", of which the logarithm is taken.
        n_images: Validation images.
    """

    scores: tuple[ScalingScore, ...]
    chosen: str
    runner_up: str
    lead: float
    lead_interval: Interval
    documented: str
    outputs: str
    n_images: int

    @property
    def naive(self) -> str:
        """The scaling of whoever does not ask: pixels as they are, or divided by 255 where that would be right."""
        return UNIT if self.chosen == RAW else RAW

    def sentence(self) -> str:
        """Return which scaling is used and why, a clause."""
        losses = {score.scaling: score.nll for score in self.scores}
        lead = self.lead_interval
        shown = "" if lead.low > 0 else ", no difference shown"
        documented = ", as documented" if self.documented == self.chosen else ""
        against = f", although {self.documented} is documented" if self.documented not in ("", self.chosen) else ""
        return (
            f"inputs scaled to {self.chosen}{documented}{against}: the lowest loss on {self.n_images} validation "
            f"images, {losses[self.chosen]:.4f} nats against {losses[self.runner_up]:.4f} with {self.runner_up} "
            f"(difference {lead.low:.4f} to {lead.high:.4f}{shown}); its outputs are {self.outputs}"
        )
