"""How an epoch is compiled: by XLA or by TensorFlow's own graph, in which precision, in chunks of how many steps.

The rule is measured, not guessed (`python -m benchmarks.training`, two cores with AVX-512 and bfloat16 products):

* Where steps are short, most of a step is the overhead of its thirty operations. XLA fuses them: 784-128-10 at batch
  32 takes 0.24 s an epoch instead of 0.5 s, 784-512-512-10 at batch 128 takes 1.1 s instead of 1.7 s.
* XLA's convolutions on a CPU are 13 times slower than TensorFlow's: networks with such kernels stay with the graph.
* Where matrix products fill the step, their speed decides. XLA's products on a CPU are float32 only; oneDNN's, which
  TensorFlow's graph calls, run twice as fast in bfloat16 where the processor has instructions for it: 3 x 1024 at
  batch 128 takes 4 s instead of 5.6 s. Weights, sums, optimizer and all measured metrics stay float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import keras
import tensorflow as tf

from tuning.engine.precision import BFLOAT16, FLOAT32, PRECISIONS

# Weights times batch size above which matrix products fill a step: where the two compilers broke even.
_WIDE_STEP = 150e6

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}
_MATRIX_AXES = 2
_CHUNK_MASK_BYTES = 4 * 2**20  # stays within the second-level cache


@dataclass(frozen=True)
class Compilation:
    """How the epoch of one architecture is compiled.

    Args:
        jit_compile: Whether XLA compiles the steps (Keras' word); otherwise TensorFlow's graph runs them.
        precision: Of matrix products, `float32` or `mixed_bfloat16`.

    Raises:
        ValueError: If the precision is unknown.
    """

    jit_compile: bool
    precision: str

    def __post_init__(self) -> None:
        if self.precision not in (FLOAT32, BFLOAT16):
            raise ValueError(f"`precision` must be {FLOAT32!r} or {BFLOAT16!r}, got {self.precision!r}.")

    def __str__(self) -> str:
        return f"{'XLA' if self.jit_compile else 'graph'}, {self.precision}"


def choose_compilation(
    model: keras.Model, batch_size: int, precision: str = "auto", jit_compile: bool | None = None
) -> Compilation:
    """The fastest way that was measured for a step of this model.

    Args:
        model: The network.
        batch_size: Examples a step.
        precision: `auto`, or the precision to use whatever the size.
        jit_compile: Whether XLA compiles; None for what is faster.

    Raises:
        ValueError: If the precision is unknown; the known ones are listed.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"`precision` must be one of {list(PRECISIONS)}, got {precision!r}.")
    shapes = [variable.shape for variable in model.trainable_variables]
    is_wide = batch_size * sum(map(math.prod, shapes)) > _WIDE_STEP
    if precision == "auto":
        precision = BFLOAT16 if is_wide and has_bfloat16_products() else FLOAT32
    if jit_compile is None:
        jit_compile = has_gpu() or (precision == FLOAT32 and not _is_slow_in_xla(model, shapes))
    return Compilation(jit_compile, precision)


def _is_slow_in_xla(model: keras.Model, shapes: list[tuple[int, ...]]) -> bool:
    """Convolutions (kernels of more than two axes), 13 times slower on a CPU, and recurrent layers' inner loops."""
    return any(len(shape) > _MATRIX_AXES for shape in shapes) or any(
        isinstance(layer, keras.layers.RNN | keras.layers.Bidirectional) for layer in model.layers
    )


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def steps_per_chunk(n_steps: int, mask_bytes_per_step: int) -> int:
    """Steps between two draws of dropout masks: as many as keep the masks in the cache, at least one."""
    return max(1, min(n_steps, _CHUNK_MASK_BYTES // max(mask_bytes_per_step, 1)))


@cache
def has_bfloat16_products() -> bool:
    """Whether the processor multiplies bfloat16 natively: its flags say so, whatever else it is doing."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False
    return not _BFLOAT16_FLAGS.isdisjoint(flags)
