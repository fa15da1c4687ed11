"""What a measured change says: the z table of the step rule, and the parabola's vertex.

Magnitude and direction of a reaction choose the next experiment, so both are measured against the noise: a difference
smaller than its own standard error steers nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from tuning.strategy.configuration import Configuration
from tuning.strategy.evidence import Noise
from tuning.strategy.example_losses import paired_share
from tuning.strategy.records import Outcome

# Two networks trained with the same seed and judged on the same examples err together. On 10,000 validation images of
# MNIST the variance of the paired difference of their losses was 0.06 to 0.13 times the unpaired one (six pairs of four
# networks); the rest of this figure is for the seed, which two configurations share only in part.
PAIRED_VARIANCE_RATIO = 0.2
_SEED_VARIANCE_RATIO = 0.1

# Where the objective gives no standard error, a change below 1 % of the value is taken for noise. A rule of thumb.
_RELATIVE_NOISE = 0.01

_UNKNOWN = Noise()


class Reaction(StrEnum):
    """How the objective reacted to a move, in units of the noise."""

    STRONG_GAIN = "strong gain"
    WEAK_GAIN = "weak gain"
    FLAT = "flat"
    LOSS = "loss"
    STRONG_LOSS = "strong loss"

    @property
    def is_gain(self) -> bool:
        """Whether the move is taken on its merit alone."""
        return self in (Reaction.STRONG_GAIN, Reaction.WEAK_GAIN)


@dataclass(frozen=True)
class Response:
    """The measured response to one move; `improvement` > 0 means that the objective fell, by so many `stderr`."""

    improvement: float
    z: float
    reaction: Reaction
    n_seeds: int = 1
    stderr: float = 0.0


def measure(base: Configuration, challenger: Configuration, noise: Noise = _UNKNOWN) -> Response:
    """Compare a challenger with the configuration from which it was an experiment, on the seeds that both have.

    A trial that diverged or ran out of memory is a strong loss: the move led out of the feasible region. A failed
    trial says nothing of the lever, so it counts as flat, which rests the lever.
    """
    if challenger.outcome is Outcome.FAILED:
        return Response(0.0, 0.0, Reaction.FLAT)
    if challenger.loss == math.inf or base.loss == math.inf:
        improvement = 0.0 if base.loss == challenger.loss else base.loss - challenger.loss
        return Response(improvement, improvement, react(improvement))
    shared = sorted(base.losses.keys() & challenger.losses.keys())
    differences = [base.losses[seed] - challenger.losses[seed] for seed in shared] or [base.loss - challenger.loss]
    improvement = math.fsum(differences) / len(differences)
    stderr = assumed_stderr(base, challenger, noise, len(differences))
    z = improvement / max(stderr, 1e-300)
    return Response(improvement, z, react(z), max(len(shared), 1), stderr)


def react(z: float) -> Reaction:
    """The z table: +-1 and +-2 standard errors of the difference separate the five reactions."""
    if z >= 2:
        return Reaction.STRONG_GAIN
    if z >= 1:
        return Reaction.WEAK_GAIN
    if z > -1:
        return Reaction.FLAT
    return Reaction.LOSS if z > -2 else Reaction.STRONG_LOSS


def vertex(left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]) -> float:
    """Abscissa of the vertex of the parabola through three (coordinate, loss) pairs with the middle lowest.

    Raises:
        ValueError: If the coordinates do not ascend or the middle is not the lowest.
    """
    (a, fa), (b, fb), (c, fc) = left, middle, right
    if not (a < b < c and fb <= min(fa, fc)):
        raise ValueError(f"A bracket a < b < c with its lowest loss at b must hold, got {left}, {middle}, {right}.")
    rise_left, rise_right = fa - fb, fc - fb
    if math.isinf(rise_left) or math.isinf(rise_right):
        # No parabola: go to the middle of the side that gave a number, or of the wider one.
        to_left = math.isinf(rise_right) and (not math.isinf(rise_left) or b - a >= c - b)
        return (a + b) / 2 if to_left else (b + c) / 2
    if rise_left == rise_right == 0:
        return b
    p, q = rise_left / max(rise_left, rise_right), rise_right / max(rise_left, rise_right)
    return b + 0.5 * ((c - b) ** 2 * p - (b - a) ** 2 * q) / ((c - b) * p + (b - a) * q)


def assumed_stderr(base: Configuration, challenger: Configuration, noise: Noise, n_seeds: int) -> float:
    """Standard error of the mean difference of two configurations over the seeds that both have: it judges the moves.

    The luck of seeds and examples together, assumed until repeats correct it. To judge moves by pairs of examples (see
    `paired_stderr`) was no better on a development task (benchmarks/RESULTS.md).
    """
    if base.stderr is None or challenger.stderr is None:
        return _run_sd(_RELATIVE_NOISE * abs(base.loss), 1, noise) / math.sqrt(n_seeds)
    unpaired = math.hypot(base.stderr, challenger.stderr)
    return _run_sd(math.sqrt(PAIRED_VARIANCE_RATIO) * unpaired, 4, noise) / math.sqrt(n_seeds)


def paired_stderr(base: Configuration, challenger: Configuration, noise: Noise, n_seeds: int) -> float:
    """The same with the part of the examples measured, for a claim about two configurations: that one is not worse.

    The luck of the seeds is averaged out over them, that of the validation examples is not: both add. Where the losses
    on the examples are known for both, the latter is measured in pairs; otherwise it is `assumed_stderr`.
    """
    seeds = sorted(base.examples.keys() & challenger.examples.keys())
    share = paired_share([(base.examples[seed], challenger.examples[seed]) for seed in seeds])
    if share is None or base.stderr is None or challenger.stderr is None:
        return assumed_stderr(base, challenger, noise, n_seeds)
    unpaired = math.hypot(base.stderr, challenger.stderr)
    of_seeds = _run_sd(math.sqrt(_SEED_VARIANCE_RATIO) * unpaired, 4, noise) / math.sqrt(n_seeds)
    return math.hypot(of_seeds, math.sqrt(share) * unpaired)


def _run_sd(assumed_sd: float, weight: int, noise: Noise) -> float:
    """Of the difference of two runs with one seed: what is assumed, corrected by the repeats."""
    measured = math.sqrt(2 * noise.n_freedoms * noise.variance)
    return math.hypot(math.sqrt(weight) * assumed_sd, measured) / math.sqrt(weight + noise.n_freedoms)
