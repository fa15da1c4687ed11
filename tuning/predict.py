"""`python -m tuning.predict IMAGE.png`: which digit is on a person's own image, how surely, and as a picture.

Several images, or a folder of them, give a table, and whether they look like the training data as a whole.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from tuning import cli
from tuning.errors import SettingsError
from tuning.masking import one_line
from tuning.paths import refusal

_SUFFIXES = (".png", ".svg", ".pdf", ".jpg", ".jpeg")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=cli.path)
@click.option(
    "--model",
    type=cli.path,
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
    type=cli.path,
    metavar="PICTURE|FOLDER",
    default=None,
    show_default="IMAGE-prediction.png in this folder; no pictures of several images",
    help="Where the picture goes: .png, .svg, .pdf or .jpg; of several images a folder. Example: --out seven.svg",
)
@click.option(
    "--trust",
    is_flag=True,
    help="Load the --baseline from its URL: a SavedModel is a program, which runs with your rights. Example: --trust",
)
@click.option(
    "--baseline",
    type=cli.path_text,
    metavar="HANDLE|PATH",
    default=None,
    show_default="TF-GAN's MNIST classifier or the stand-in only",
    help="The study's pretrained baseline may be loaded to judge several images. Example: --baseline my-classifier/",
)
def predict(
    images: tuple[Path, ...],
    model: Path | None,
    study: str | None,
    polarity: str,
    out: Path | None,
    baseline: str | None,
    trust: bool,
) -> None:
    """Classify the digit on an image of your own, and draw the confidence for each class.

    The image may have any size, colour or grey, transparent or not; it is scaled and centred as MNIST's images were:
    into a box of 20 x 20 pixels in its own proportions, its centre of mass in the middle of 28 x 28 pixels. Of several
    images, or of a folder, a table is printed, and whether all of them together look like the training data.
    """
    from tuning.baseline import check_trust
    from tuning.export.exported_model import ExportedModel, find_export
    from tuning.own_image import POLARITIES, SIDE, find_images, read_own

    if polarity not in POLARITIES:
        raise SettingsError(f"`--polarity` must be one of {', '.join(POLARITIES)}, got {polarity}.")
    check_trust(baseline, is_trusted=trust)
    files = find_images(images)
    read = [read_own(file, polarity) for file in files]
    folder = find_export(Path.cwd(), model, study)
    targets = _targets(files, out)

    cli.import_tensorflow()
    from tuning.prediction import Prediction
    from tuning.predictions import text_of_several

    exported = ExportedModel.load(folder)
    exported.check_takes(SIDE)
    made = [Prediction(one_line(file.name), *each, exported) for file, each in zip(files, read, strict=True)]
    print(made[0].text(is_told=polarity != "auto") if len(made) == 1 else text_of_several(made, baseline))
    drawn = [prediction.draw(target) for prediction, target in zip(made, targets, strict=len(targets) > 0)]
    if drawn:
        place = drawn[0] if len(made) == 1 else drawn[0].parent
        print(f"Picture{'s' if len(made) > 1 else ''}: {os.path.relpath(place)}")


def _targets(files: Sequence[Path], out: Path | None) -> list[Path]:
    """Where the pictures go: one of a single image, one each in a folder that was named, otherwise none.

    Raises:
        SettingsError: If one cannot be written there.
    """
    if len(files) == 1:
        return [_checked(out or Path(f"{files[0].stem}-prediction.png"), files[0])]
    if out is None:
        return []
    if not out.is_dir():
        raise SettingsError(f"`--out` must be a folder that is there for {len(files)} images, got {out}.")
    # With its suffix, because seven.png and seven.jpg are two images.
    return [_checked(out / f"{file.name.replace('.', '-')}-prediction.png", file) for file in files]


def _checked(target: Path, image: Path) -> Path:
    """The picture's path, once it is known that it can be written there.

    Raises:
        SettingsError: If its format is not known, its folder is not there or not to be written, or it is the image.
    """
    if target.suffix.lower() not in _SUFFIXES:
        raise SettingsError(f"`--out` must end with one of {', '.join(_SUFFIXES)}, got {target.name}.")
    if why := refusal(target):
        raise SettingsError(f"`--out` must name a file that can be written, got {target} ({why}): name another one.")
    if target.exists() and (not target.is_file() or target.samefile(image)):
        raise SettingsError(f"`--out` must be a new file or an earlier picture, got {target}: name another one.")
    try:
        with tempfile.TemporaryFile(dir=target.absolute().parent):
            pass
    except OSError as error:
        raise SettingsError(
            f"`--out` must be in a folder that can be written, got {target} ({error.strerror})."
        ) from error
    return target


if __name__ == "__main__":
    sys.exit(cli.run(predict))
