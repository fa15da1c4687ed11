"""What a model says of several images of a person's own: a table, and whether they look like the training data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tuning.likeness import Likeness
from tuning.pictures.style import percent
from tuning.plain_text import table_text
from tuning.prediction import Prediction

_TEXT_WIDTH = 120  # of the table, however wide the terminal


def text_of_several(predictions: Sequence[Prediction], baseline: str | None = None) -> str:
    """The digit on each image and whether it looks like the training data; then all of them together.

    Args:
        predictions: Of one model, at least two.
        baseline: The handle of a pretrained baseline that may be loaded although it is neither TF-GAN's nor the
            stand-in.
    """
    likeness = predictions[0].exported.likeness
    table = table_text(_table(predictions, likeness), _TEXT_WIDTH)
    return "\n".join([table.rstrip(), "", *_together(predictions, likeness, baseline)])


def _table(predictions: Sequence[Prediction], likeness: Likeness | None) -> Table:
    title = f"{len(predictions)} images, read by {predictions[0].exported.folder.name}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("image", "class", "probability", "distance", "looks like the training data"):
        table.add_column(name, justify="left" if name in ("image", "looks like the training data") else "right")
    for each in predictions:
        digit = int(each.probabilities.argmax())
        judged = ("", "not known") if likeness is None else _judged(each, likeness)
        table.add_row(each.name, str(digit), percent(float(each.probabilities[digit])), *judged)
    return table


def _judged(prediction: Prediction, likeness: Likeness) -> tuple[str, str]:
    pixels = prediction.own.pixels
    is_unlike = likeness.is_unlike(pixels)
    return f"{likeness.distances(pixels[np.newaxis])[0]:.2f}", "no: do not trust it" if is_unlike else "yes"


def _together(predictions: Sequence[Prediction], likeness: Likeness | None, baseline: str | None) -> list[str]:
    if likeness is None:
        return ["Whether they look like the training data is not known: the export has no statistics of it."]
    pixels = np.stack([each.own.pixels for each in predictions])
    n_unlike = int((likeness.distances(pixels) > likeness.limit).sum())
    lines = [
        f"{n_unlike} of {len(pixels)} images look unlike the training data: farther away than {likeness.limit:.2f}, as "
        "1 % of the validation images are."
    ]
    if likeness.view is None:
        return [*lines, "The study had no pretrained baseline, whose view of the images TF-GAN's measures need."]
    report = likeness.view.report(pixels, baseline)
    return [*lines, report if isinstance(report, str) else f"Together: {report.sentence()}."]
