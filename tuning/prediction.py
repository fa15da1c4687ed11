"""What a model says of a person's own image: as text and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from tuning.export.exported_model import ExportedModel
from tuning.own_image import Grey, OwnImage
from tuning.pictures.confidence_picture import prediction_picture
from tuning.pictures.style import percent, save
from tuning.plain_text import table_text

_BAR_COLUMNS = 40
_TEXT_WIDTH = 100  # of the table, however wide the terminal


@dataclass(frozen=True, eq=False)
class Prediction:
    """One image, and a model that classifies it.

    Args:
        name: Of the image's file.
        grey: The image as it was given, without its colours.
        own: The same as the network sees it.
        exported: The model.
    """

    name: str
    grey: Grey
    own: OwnImage
    exported: ExportedModel

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Of each class, at the model's temperature, shape (classes,)."""
        return np.asarray(self.exported.probabilities(self.own.pixels[np.newaxis])[0])

    def text(self, *, is_told: bool) -> str:
        """The probabilities as a table, how the image was read, and whether it looks like the training data.

        Args:
            is_told: Whether the user named the polarity.
        """
        table = table_text(self._table(), _TEXT_WIDTH)
        polarity, how = self.own.polarity.replace("-", " "), "told" if is_told else "seen at its edge"
        read = f"Read as {polarity} ({how}); scaled and centred as MNIST's images were."
        return "\n".join([table.rstrip(), "", read, self._likeness()])

    def draw(self, path: Path) -> Path:
        """Write the picture: the image, the same as the network sees it, the confidence for each class."""
        digit = int(self.probabilities.argmax())
        title = f"Model {self.exported.folder.name}: {digit}, {percent(float(self.probabilities[digit]))}"
        if self.exported.likeness is not None and self.exported.likeness.is_unlike(self.own.pixels):
            title += "; but the image looks unlike the training data"
        given, seen = (f"{self.name} (as grey)", self.grey), ("as the network sees it", self.own.pixels)
        return save(prediction_picture([given, seen], self.probabilities, title), path)

    def _table(self) -> Table:
        temperature = self.exported.temperature
        title = f"{self.name}: {int(self.probabilities.argmax())}, says {self.exported.folder.name}"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("class", justify="right")
        table.add_column("probability", justify="right")
        table.add_column(f"at temperature {temperature:.3g}")
        for digit, probability in enumerate(self.probabilities):
            bar = "█" * round(_BAR_COLUMNS * float(probability))
            table.add_row(str(digit), percent(float(probability)), bar)
        return table

    def _likeness(self) -> str:
        if self.exported.likeness is None:
            return "Whether the image looks like the training data is not known: the export has no statistics of it."
        return self.exported.likeness.sentence(self.own.pixels)
