"""Small copies of pictures, for descriptions in MLflow."""

from pathlib import Path

from PIL import Image

from tuning.previews import write_previews


def test_previews_are_narrow_keep_their_shape_and_come_in_the_order_of_the_report(tmp_path: Path) -> None:
    """What fits stays as it is; the study comes first; what answers less and what was there before is left out."""
    pictures, folder = tmp_path / "pictures", tmp_path / "previews"
    pictures.mkdir()
    folder.mkdir()
    (folder / "old.png").touch()
    (pictures / "architecture-tuned.png").touch()
    for name, size in [("confusion", (500, 300)), ("study", (1480, 700)), ("levers", (740, 360))]:
        Image.new("RGBA", size, "white").save(pictures / f"{name}.png")
    names = ["study.png", "levers.png", "confusion.png"]
    assert [(f"pictures/{name}", f"previews/{name}") for name in names] == list(
        write_previews(pictures, folder).items()
    )
    for name, size in [("study", (740, 350)), ("levers", (740, 360)), ("confusion", (500, 300))]:
        with Image.open(folder / f"{name}.png") as preview:
            assert size == preview.size
    assert 3 == len(list(folder.iterdir()))
