"""An image on the left, on the right the model's confidence for each class as bars, the predicted one in blue.

>>> figure = confidence_picture(images, labels, {"baseline": first, "tuned": second})   # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tuning.pictures.scored import Scored
from tuning.pictures.style import BLACK, BLUE, PALE, RED, percent, show_image

_N_EACH, _N_ROWS = 2, 6
_MAX_BARS = 10
_ROW_INCHES = (3.9, 1.75)  # a panel of bars
RULE = "two at random that both get right, up to two that both get wrong, the others where they disagree"


def choose_examples(one: Scored, other: Scored, seed: int) -> NDArray[np.intp]:
    """Positions of up to six test images, in a random order that the seed fixes.

    First two that both models get right, then up to two that both get wrong, then those on whose class they disagree.
    """
    order = np.random.default_rng(seed).permutation(len(one.labels))
    first, second = one.logits.argmax(axis=1)[order], other.logits.argmax(axis=1)[order]
    true = one.labels[order]
    both_right = order[(first == true) & (second == true)][:_N_EACH]
    both_wrong = order[(first != true) & (second != true)][:_N_EACH]
    disagree = order[(first != second) & ~np.isin(order, both_wrong)]
    return np.concatenate([both_right, both_wrong, disagree])[:_N_ROWS]


def confidence_picture(images: NDArray[Any], models: Mapping[str, Scored], seed: int) -> Figure:
    """Draw chosen test images, a row each: the image, then every model's calibrated confidence in each class.

    Args:
        images: The test images, shape (examples, height, width) or with a last axis of 1 or 3 channels.
        models: The baseline and the best model, by name; exactly two.
        seed: Of the choice of images.

    Raises:
        ValueError: If there are not two models.
    """
    if len(models) != 2:
        raise ValueError(f"The picture compares two models, got {len(models)}.")
    one, other = models.values()
    chosen = choose_examples(one, other, seed)
    width, height = _ROW_INCHES
    size = (height + len(models) * width, len(chosen) * height + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(f"Confidence for each class\n{RULE}\n(test images, seed {seed})", fontsize=10)
    ratios = (height, *(width for _ in models))
    rows = figure.subplots(len(chosen), 1 + len(models), squeeze=False, width_ratios=ratios)
    for (left, *panels), i in zip(rows, chosen, strict=True):
        show_image(left, images[i])
        left.set_ylabel(f"true: {_label(models, i)}", fontsize=11)
        for axes, (name, scored) in zip(panels, models.items(), strict=True):
            draw_confidence(axes, scored.probabilities()[i], name, _label(models, i))
    for axes in panels:  # of the last row
        axes.set_xlabel("class")
    return figure


def prediction_picture(shown: Sequence[tuple[str, NDArray[Any]]], probabilities: NDArray[Any], title: str) -> Figure:
    """Draw a person's own image, the same as the network sees it, and the confidence for each class.

    Args:
        shown: Images with what stands above each, one at least.
        probabilities: Shape (classes,).
        title: Stands above all.
    """
    width = 3.2
    figure = Figure(figsize=(len(shown) * width + 5.6, 3.9), layout="constrained")
    figure.suptitle(title, fontsize=11)
    *panels, bars = figure.subplots(1, len(shown) + 1, width_ratios=(*(width for _ in shown), 5.6))
    for axes, (caption, image) in zip(panels, shown, strict=True):
        show_image(axes, image)
        axes.set_title(caption, fontsize=10)
    draw_confidence(bars, probabilities, "predicted", None)
    bars.set_xlabel("class")
    bars.set_ylabel("confidence")
    return figure


def draw_confidence(axes: Axes, probabilities: NDArray[Any], name: str, true: int | None) -> None:
    """Draw a bar for each class, the predicted one in blue with its percentage, the true one's number in a frame.

    Args:
        axes: Where.
        probabilities: Shape (classes,).
        name: Of the model, or what is drawn.
        true: The true class; None where it is not known.
    """
    predicted = int(probabilities.argmax())
    classes = np.sort(np.argsort(-probabilities, kind="stable")[:_MAX_BARS])  # of many classes the most probable ones
    colors = [BLUE if each == predicted else PALE for each in classes]
    axes.bar(range(len(classes)), probabilities[classes], color=colors)
    axes.set_xticks(range(len(classes)), [str(each) for each in classes])
    axes.set_xlim(-1.25, len(classes) + 0.25)  # room for the percentage of the first and the last
    axes.set_ylim(0.0, 1.22)
    axes.set_yticks([0.0, 0.5, 1.0], ["0", "50 %", "100 %"], fontsize=8)
    place = list(classes).index(predicted)
    at = (place, probabilities[predicted])
    axes.annotate(percent(float(probabilities[predicted])), at, (0, 2), textcoords="offset points", ha="center")
    verdict = "" if true is None else ", right" if predicted == true else ", wrong"
    axes.set_title(f"{name}: {predicted}{verdict}", fontsize=10, color=RED if true not in (None, predicted) else BLACK)
    axes.spines[["top", "right"]].set_visible(False)
    for each, label in zip(classes, axes.get_xticklabels(), strict=True):
        if each == true:
            label.set_bbox({"boxstyle": "round,pad=0.2", "facecolor": "none", "edgecolor": "black"})
            label.set_fontweight("bold")


def _label(models: Mapping[str, Scored], i: int) -> int:
    return int(next(iter(models.values())).labels[i])
