"""Keras models as layers: what a reader of the picture is told of real models, and Keras' own summary."""

import keras
import pytest

from models.mlp import InputFormat, build_mlp
from models.train_stand_in import build as build_stand_in
from tuning.architecture import layers_of, summary
from tuning.pictures.architecture_picture import LayerBox


def test_dropout_and_l2_of_the_mlp_are_told() -> None:
    """With shapes and weights, which add up to the model's."""
    params = {"units": 5, "layers": 1, "dropout": 0.4, "l2": 1e-4}
    model = build_mlp(params, InputFormat((4, 4), "uint8", 0.0, 1 / 255), n_classes=3, seed=0)
    layers = layers_of(model)
    kinds = ["InputLayer", "Rescaling", "Flatten", "Dense", "Dropout", "Dense"]
    assert kinds == [layer.kind for layer in layers]
    dense, dropout = layers[3:5]
    assert ((5,), 85, ("relu", "L2 0.0001")) == (dense.shape, dense.n_params, dense.notes)
    assert ("dropout 0.4",) == dropout.notes
    assert [(), (0,), (1,), (2,), (3,), (4,)] == [layer.inputs for layer in layers]
    assert model.count_params() == sum(layer.n_params for layer in layers)


def test_a_sequential_model_is_a_chain() -> None:
    """Convolutions and pooling with their sizes."""
    model = build_stand_in()
    layers = layers_of(model)
    assert [(i - 1,) if i else () for i in range(len(layers))] == [layer.inputs for layer in layers]
    assert ((26, 26, 16), ("relu", "kernel 3 × 3")) == (layers[1].shape, layers[1].notes)
    assert ((13, 13, 16), ("pool 2 × 2", "stride 2 × 2")) == (layers[2].shape, layers[2].notes)
    assert model.count_params() == sum(layer.n_params for layer in layers)


def test_a_switch_is_no_setting_worth_telling() -> None:
    """The `scale` of batch normalization says whether, that of rescaling by how much."""
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Rescaling(0.5), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    assert [(), ("times 0.5",), (), ()] == [layer.notes for layer in layers_of(model)]


def test_branches_join_where_the_model_joins_them() -> None:
    """A residual block with an operation that is no layer, and a layer that is used twice."""
    inputs = keras.Input((8,))
    shared = keras.layers.Dense(8)
    twice = shared(shared(inputs))
    model = keras.Model(inputs, keras.layers.Add()([inputs, keras.ops.relu(twice)]))
    layers = layers_of(model)
    at = {layer.kind: i for i, layer in enumerate(layers)}
    assert tuple(sorted((at["InputLayer"], at["Relu"]))) == layers[at["Add"]].inputs
    assert (at["InputLayer"],) == layers[at["Dense"]].inputs
    assert all(source < i for i, layer in enumerate(layers) for source in layer.inputs)


def test_a_model_inside_a_model_is_one_box() -> None:
    """With all its weights."""
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)], name="inner")
    inputs = keras.Input((4,))
    layers = layers_of(keras.Model(inputs, inner(inputs)))
    assert LayerBox("inner", "Sequential", (3,), 15, (), (0,)) == layers[1]


@pytest.mark.parametrize("columns", ["40", "200"])
def test_summary_is_keras_own(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every layer with its weights and the total, however wide the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    text = summary(build_stand_in())
    words = ("conv2d", "max_pooling2d", "(None, 26, 26, 16)", " 4,640 ", "Total params: 56,714")
    assert [] == [word for word in words if word not in text]


def test_a_subclassed_model_is_refused() -> None:
    """Its layers are not known before it is called."""

    class Own(keras.Model):
        """A model with a call of its own."""

    with pytest.raises(ValueError, match="got Own"):
        layers_of(Own())
