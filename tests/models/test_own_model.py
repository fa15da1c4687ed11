"""A user's own model: what is refused, and how its outputs become logits."""

import keras
import numpy as np
import pytest

from models.inputs import InputFormat
from models.own_model import UnfitModel, checked, gives_logits, logits_model, takes_one_hot

FORM = InputFormat((4,), "float32", 0.0, 1.0)


def network(n_outputs: int = 3, activation: str | None = None, shape: tuple[int, ...] = (4,)) -> keras.Model:
    """A layer."""
    return keras.Sequential([keras.Input(shape), keras.layers.Dense(n_outputs, activation)])


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (None, "it returned nothing"),
        ("model", "it returned builtins.str"),
        (network(), "call `model.compile"),
        (network(5), r"outputs of shape \(5,\), but the data asks for \(3,\): end it in a layer of 3 units"),
        (network(shape=(7,)), r"takes inputs of shape \(7,\), but one example of the data has \(4,\)"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_way_out(model: object, told: str) -> None:
    """Before an epoch is spent on it."""
    if isinstance(model, keras.Model) and "compile" not in told:
        model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(UnfitModel, match=told):
        checked(model, FORM, 3, must_be_compiled=True)


def test_a_model_of_keras_2_is_refused() -> None:
    """A real one: tf_keras comes with tensorflow-hub."""
    import tf_keras

    model = tf_keras.Sequential([tf_keras.layers.Dense(3)])
    with pytest.raises(UnfitModel, match="tf_keras model .* Replace `import tf_keras as keras` by `import keras`"):
        checked(model, FORM, 3, must_be_compiled=True)


def test_a_model_without_an_input_layer_is_built() -> None:
    """As in KerasTuner's guide: `Sequential([Flatten(), Dense(10)])`."""
    model = checked(keras.Sequential([keras.layers.Dense(3)]), FORM, 3, must_be_compiled=False)
    assert 15 == model.count_params()


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_probabilities_become_logits_of_the_same_softmax(dtype: str) -> None:
    """In the data's own type, and without the optimizer that came with the model."""
    form = InputFormat((4,), dtype, 0.0, 1.0)
    model = network(activation="softmax")
    model.compile("adam", "sparse_categorical_crossentropy")
    inputs = np.arange(8, dtype=dtype).reshape(2, 4)
    logits = logits_model(model, form)
    again = keras.ops.softmax(logits(inputs))
    np.testing.assert_allclose(model(inputs.astype("float32")), again, atol=1e-6)
    assert (dtype, False) == (logits.inputs[0].dtype, logits.compiled)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_tokens_of_any_type_are_looked_up(dtype: str) -> None:
    """The data keeps tokens in a type of its own; an embedding asks for whole numbers."""
    tokens, layers = keras.Input((4,), dtype="int32"), [keras.layers.Embedding(9, 3), keras.layers.Flatten()]
    model = keras.Sequential([tokens, *layers, keras.layers.Dense(3)])
    logits = logits_model(model, InputFormat((4,), dtype, 0.0, 1.0))
    inputs = np.arange(8).reshape(2, 4)
    assert dtype == logits.inputs[0].dtype
    np.testing.assert_array_equal(model(inputs), logits(inputs.astype(dtype)))


def test_logits_are_told_by_the_loss() -> None:
    """Otherwise by the last layer."""
    model = network()
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert gives_logits(model) and gives_logits(network()) and not gives_logits(network(activation="softmax"))


def test_a_categorical_loss_takes_one_hot_labels() -> None:
    """Named by word, function or object."""
    for loss in ("categorical_crossentropy", keras.losses.CategoricalCrossentropy(label_smoothing=0.1)):
        model = network(activation="softmax")
        model.compile("adam", loss)
        assert takes_one_hot(model)
    assert not takes_one_hot(network())
