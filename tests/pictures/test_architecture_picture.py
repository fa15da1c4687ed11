"""Layers as boxes: what is written in them, and that they follow each other without overlapping."""

import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tuning.pictures.architecture_picture import LayerBox, architecture_picture

CHAIN = [
    LayerBox("input", "InputLayer", (28, 28), 0),
    LayerBox("dense", "Dense", (512,), 401_920, ("relu", "L2 0.0001"), (0,)),
    LayerBox("dropout", "Dropout", (512,), 0, ("dropout 0.4",), (1,)),
]


def test_kind_settings_shape_and_weights_are_written() -> None:
    """Where a layer has no settings its name stands in their place."""
    texts = [text.get_text() for text in architecture_picture("tuned: 401,920 weights", CHAIN).axes[0].texts]
    expected = ["tuned: 401,920 weights", "InputLayer", "input", "28 × 28", "", "Dense", "relu, L2 0.0001", "512"]
    assert [*expected, "401,920 weights", "Dropout", "dropout 0.4", "512", ""] == texts


def test_layers_of_a_chain_are_joined_by_arrows_and_carry_no_numbers() -> None:
    """One arrow a layer but for the first."""
    patches = architecture_picture("x", CHAIN).axes[0].patches
    assert (3, 2) == tuple(sum(isinstance(p, kind) for p in patches) for kind in (FancyBboxPatch, FancyArrowPatch))


def test_branches_are_numbered_and_name_their_sources() -> None:
    """An arrow that passes other layers is hard to follow: the words say it too."""
    layers = [*CHAIN, LayerBox("add", "Add", (512,), 0, (), (1, 2))]
    texts = [text.get_text() for text in architecture_picture("x", layers).axes[0].texts]
    assert {"0  InputLayer", "1  Dense", "2  Dropout", "3  Add", "from 1, 2"} <= set(texts)


def test_a_long_network_goes_on_beside_itself() -> None:
    """Every box inside the picture, none over another."""
    layers = [LayerBox(f"d{i}", "Dense", (8,), 72, (), (i - 1,) if i else ()) for i in range(40)]
    axes = architecture_picture("x", layers).axes[0]
    boxes = [patch.get_bbox() for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    assert all(0 < box.x0 < box.x1 < axes.get_xlim()[1] and 0 < box.y0 < box.y1 < axes.get_ylim()[1] for box in boxes)
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_a_network_without_layers_is_refused() -> None:
    """There is nothing to draw."""
    with pytest.raises(ValueError, match="at least one layer"):
        architecture_picture("x", [])
