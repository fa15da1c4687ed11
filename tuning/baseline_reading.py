"""How the pretrained baseline is to be read: which scaling of the inputs it was trained for, and what its outputs are.

A module says neither. Fed pixels of 0 to 255 where it was trained on [-1, 1], it answers as well as ever and its loss
is a hundred times too large. So each usual scaling is tried on validation images, and the lowest loss decides; the
test images have no say. What somebody sees who does not ask, the *naive* reading, is kept beside it.

    reading = read_baseline(baseline, data, seed=0)
    reading.logits(images)         # as it was trained
    reading.naive_logits(images)   # pixels as they are, outputs as they come
    reading.sweep.sentence()       # 'inputs scaled to [-1, 1], ...'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.baseline_scaling import PixelScaling, usual_scalings
from models.pretrained import BaselineError, PretrainedBaseline
from tuning.baseline_sweep import ScalingScore, ScalingSweep
from tuning.data import TrainingData
from tuning.evaluation import fit_temperature
from tuning.evaluation.comparison import bootstrap_mean_interval
from tuning.evaluation.metrics import error_rate, nll_per_example
from tuning.evaluation.readings import are_probabilities, scores_as_read

Logits = NDArray[np.floating]

# Losses of scalings differ by more than the noise of this many images, and eight passes over all of MNIST take a while.
_N_IMAGES = 2000


@dataclass(frozen=True)
class BaselineReading:
    """A baseline as it was trained to be used, and as somebody uses it who does not ask.

    Attributes:
        logits: From raw inputs of the data set to logits.
        naive_logits: The same with the naive scaling and outputs taken for logits whatever they are; None where that
            gives something that is not finite.
        scaling: The map from pixels to what it was trained for.
        sweep: How it was found out.
    """

    logits: Callable[[NDArray[Any]], Logits]
    naive_logits: Callable[[NDArray[Any]], Logits] | None
    scaling: PixelScaling
    sweep: ScalingSweep


def read_baseline(baseline: PretrainedBaseline, data: TrainingData, seed: int) -> BaselineReading:
    """Find out on validation images how a baseline is to be read.

    Args:
        baseline: Any module that gives ten outputs an image.
        data: Train part, for mean and deviation of the pixels, and validation part, for the losses.
        seed: Of the choice of images and of the bootstrap.

    Raises:
        BaselineError: If the module gives finite outputs under no usual scaling.
    """
    scalings = {each.name: each for each in usual_scalings(_pixels(data.train.inputs, data))}
    chosen = np.random.default_rng(seed).permutation(len(data.validation))[:_N_IMAGES]
    images, labels = _pixels(data.validation.inputs[chosen], data), data.validation.labels[chosen]
    outputs = {name: baseline.logits(scaling.apply(images)) for name, scaling in scalings.items()}
    finite = {name: each for name, each in outputs.items() if np.isfinite(each).all()}
    if not finite:
        raise BaselineError(f"{baseline.name} gives NaN or infinity under every scaling: {', '.join(scalings)}")
    is_probable = all(are_probabilities(each) for each in finite.values())
    sweep = _sweep(baseline, tuple(scalings), finite, labels, is_probable, seed)

    def read(scaling: PixelScaling, *, from_logits: bool) -> Callable[[NDArray[Any]], Logits]:
        return lambda inputs: scores_as_read(
            baseline.logits(scaling.apply(_pixels(inputs, data))), from_logits=from_logits
        )

    naive = read(scalings[sweep.naive], from_logits=True) if sweep.naive in finite else None
    chosen_scaling = scalings[sweep.chosen]
    return BaselineReading(read(chosen_scaling, from_logits=not is_probable), naive, chosen_scaling, sweep)


def _sweep(
    baseline: PretrainedBaseline,
    names: tuple[str, ...],
    finite: dict[str, Logits],
    labels: NDArray[np.int64],
    is_probable: bool,
    seed: int,
) -> ScalingSweep:
    scores = {name: scores_as_read(each, from_logits=not is_probable) for name, each in finite.items()}
    losses = {name: nll_per_example(each, labels) for name, each in scores.items()}
    ranking = sorted(losses, key=lambda name: float(losses[name].mean()))
    best, second = ranking[0], ranking[min(1, len(ranking) - 1)]
    lead = losses[second] - losses[best]
    return ScalingSweep(
        scores=tuple(_score(name, scores.get(name), labels) for name in names),
        chosen=best,
        runner_up=second,
        lead=float(lead.mean()),
        lead_interval=bootstrap_mean_interval(lead, seed),
        documented=baseline.documented_scaling,
        outputs="probabilities" if is_probable else "logits",
        n_images=len(labels),
    )


def _score(name: str, scores: Logits | None, labels: NDArray[np.int64]) -> ScalingScore:
    if scores is None:
        return ScalingScore(name)
    nll = float(nll_per_example(scores, labels).mean())
    return ScalingScore(name, 1 - error_rate(scores, labels), nll, fit_temperature(scores, labels))


def _pixels(inputs: NDArray[Any], data: TrainingData) -> NDArray[Any]:
    """Raw inputs as pixels from 0 to 255: as they are, or from the range of the training images."""
    if inputs.dtype == np.uint8:
        return inputs
    return (inputs - np.float32(data.scaling.offset)) * np.float32(255 * np.asarray(data.scaling.scale))
