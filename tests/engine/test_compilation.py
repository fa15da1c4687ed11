"""Which way of compiling is chosen for which network."""

import keras
import pytest
from keras import layers

from tuning.engine import compilation
from tuning.engine.compilation import Compilation, choose_compilation, steps_per_chunk

XLA, GRAPH, MIXED = Compilation(True, "float32"), Compilation(False, "float32"), Compilation(False, "mixed_bfloat16")


def dense(units: int) -> keras.Model:
    """units * (units + 1) weights."""
    return keras.Sequential([keras.Input((units,)), layers.Dense(units)])


@pytest.fixture(autouse=True)
def cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bfloat16 products and no GPU, whatever runs the test."""
    monkeypatch.setattr(compilation, "has_bfloat16_products", lambda: True)
    monkeypatch.setattr(compilation, "has_gpu", lambda: False)


def test_short_steps_are_compiled_by_xla() -> None:
    """784-512-512-10 at batch 128 is about 86 million products a pass; this is less."""
    assert XLA == choose_compilation(dense(800), batch_size=128)


def test_wide_steps_take_bfloat16_products_where_the_processor_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """And stay with XLA where it has not."""
    assert MIXED == choose_compilation(dense(1200), batch_size=128)
    monkeypatch.setattr(compilation, "has_bfloat16_products", lambda: False)
    assert XLA == choose_compilation(dense(1200), batch_size=128)


@pytest.mark.parametrize("layer", [layers.Conv1D(4, 3), layers.LSTM(4), layers.Bidirectional(layers.GRU(4))])
def test_convolutions_and_recurrent_layers_stay_with_the_graph(layer: keras.layers.Layer) -> None:
    """XLA's are slower on a CPU."""
    assert GRAPH == choose_compilation(keras.Sequential([keras.Input((8, 2)), layer]), batch_size=32)


def test_a_gpu_takes_xla_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the measured reasons against it do not hold."""
    monkeypatch.setattr(compilation, "has_gpu", lambda: True)
    assert choose_compilation(dense(1200), batch_size=128).jit_compile


@pytest.mark.parametrize("chosen", [XLA, GRAPH, MIXED, Compilation(True, "mixed_bfloat16")])
def test_the_choice_can_be_overridden(chosen: Compilation) -> None:
    """Both parts of it."""
    assert chosen == choose_compilation(dense(1200), 128, chosen.precision, chosen.jit_compile)


def test_unknown_precision_lists_the_known_ones() -> None:
    """The message names the value and the way out."""
    with pytest.raises(ValueError, match="one of .*'auto', 'float32', 'mixed_bfloat16'.* got 'half'"):
        choose_compilation(dense(2), 32, "half")


def test_a_chunk_of_masks_fits_the_cache() -> None:
    """At least one step, at most the epoch, about four megabytes otherwise."""
    assert (1, 100, 32) == (steps_per_chunk(100, 10**9), steps_per_chunk(100, 0), steps_per_chunk(100, 128 * 1024))
