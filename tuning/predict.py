"""`python -m tuning.predict IMAGE.png`: which digit is on a person's own image, how surely, and as a picture."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click

from tuning import cli
from tuning.errors import SettingsError

_SUFFIXES = (".png", ".svg", ".pdf", ".jpg", ".jpeg")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("image", type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    default=None,
    show_default="the latest in exports/",
    help="Folder of an exported model. Example: --model exports/my-digits",
)
@click.option(
    "--study", metavar="NAME", default=None, help="The exported model of a study, instead. Example: --study my-digits"
)
@click.option(
    "--polarity",
    metavar="NAME",
    default="auto",
    help="dark-on-light, light-on-dark, or auto: what the edge of the image shows. Example: --polarity dark-on-light",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="PICTURE",
    default=None,
    show_default="IMAGE-prediction.png in this folder",
    help="Where the picture goes: .png, .svg, .pdf or .jpg. Example: --out seven.svg",
)
def predict(image: Path, model: Path | None, study: str | None, polarity: str, out: Path | None) -> None:
    """Classify the digit on an image of your own, and draw the confidence for each class.

    The image may have any size, colour or grey, transparent or not; it is scaled and centred as MNIST's images were:
    into a box of 20 x 20 pixels in its own proportions, its centre of mass in the middle of 28 x 28 pixels.
    """
    from tuning.exported_model import ExportedModel, find_export
    from tuning.own_image import POLARITIES, SIDE, as_mnist, read_grey

    if polarity not in POLARITIES:
        raise SettingsError(f"`--polarity` must be one of {', '.join(POLARITIES)}, got {polarity}.")
    grey = read_grey(image)
    own = as_mnist(grey, polarity)
    folder = find_export(Path.cwd(), model, study)
    target = _checked(out or Path(f"{image.stem}-prediction.png"), image)

    cli.import_tensorflow()
    from tuning.prediction import Prediction

    exported = ExportedModel.load(folder)
    exported.check_takes(SIDE)
    prediction = Prediction(image.name, grey, own, exported)
    print(prediction.text(is_told=polarity != "auto"))
    print(f"Picture: {os.path.relpath(prediction.draw(target))}")


def _checked(target: Path, image: Path) -> Path:
    """The picture's path, once it is known that it can be written there.

    Raises:
        SettingsError: If its format is not known, its folder is not there or not to be written, or it is the image.
    """
    if target.suffix.lower() not in _SUFFIXES:
        raise SettingsError(f"`--out` must end with one of {', '.join(_SUFFIXES)}, got {target.name}.")
    if target.exists() and (target.is_dir() or target.samefile(image)):
        raise SettingsError(f"`--out` must be a new file or an earlier picture, got {target}: name another one.")
    try:
        with tempfile.TemporaryFile(dir=target.absolute().parent):
            pass
    except OSError as error:
        why = error.strerror
        raise SettingsError(f"`--out` must be in a folder that can be written, got {target} ({why}).") from error
    return target


if __name__ == "__main__":
    sys.exit(cli.run(predict))
