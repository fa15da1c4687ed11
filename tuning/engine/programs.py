"""The compiled architectures of an engine: a small cache, bounded by memory, and `fit` for what cannot be compiled."""

from __future__ import annotations

import gc
import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tuning.engine.compilation import Compilation, choose_compilation
from tuning.engine.criterion import Criterion
from tuning.engine.fit_program import FitProgram
from tuning.engine.metrics import Predictions
from tuning.engine.optimizers import has_schedule
from tuning.engine.plan import TrainingPlan
from tuning.engine.precision import FLOAT32
from tuning.engine.program import Program
from tuning.engine.runtime_model import architecture

_log = logging.getLogger(__name__)

# About thirty networks of MNIST's usual sizes; a back-off rarely has more than a dozen architectures.
_MAX_CACHE_BYTES = 768 * 2**20

_OUT_OF_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)


class Trainer(Protocol):
    """What trains a model an epoch at a time: the compiled epoch, or `fit`."""

    criterion: Criterion

    def train_epoch(self, learning_rate: float, ema_momentum: float, seed: int, epoch: int) -> None:
        """Train one epoch."""

    def predict(self, inputs: Any, labels: Any) -> Predictions:  # noqa: ANN401 - nested
        """Clean predictions on resident examples."""

    def weights(self) -> Sequence[NDArray[np.float32]]:
        """The weights that `predict` uses."""


class Programs:
    """Compiled architectures on one training set, the least recently used ones making room.

    Args:
        inputs: Resident training inputs.
        labels: Resident training labels.
        task: The criterion of models that are not compiled.
    """

    def __init__(self, inputs: Any, labels: Any, task: Criterion) -> None:  # noqa: ANN401 - nested
        self._data, self._task = (inputs, labels), task
        self._programs: OrderedDict[str, Program] = OrderedDict()
        self._refused: dict[str, str] = {}  # keys of programs that could not be compiled, and why
        self._said: set[str] = set()

    def begin(
        self, model: keras.Model, plan: TrainingPlan, batch_size: int, learning_rate: float, ema_momentum: float
    ) -> tuple[Trainer, str]:
        """Train a model's first epoch in the fastest way that works for it; returns what trains it, and how.

        An architecture is traced and compiled in its first epoch, so it is only then that a way is known to work.
        """
        kind, why = _kind_of(model)
        precision = FLOAT32 if model.compiled and plan.precision == "auto" else plan.precision
        chosen = choose_compilation(model, batch_size, precision, plan.jit_compile)
        graph = Compilation(jit_compile=False, precision=chosen.precision)
        for compilation in [] if why else dict.fromkeys((chosen, graph)):
            key = f"{batch_size} {compilation} {kind}"
            if why := self._refused.get(key, ""):
                continue
            try:
                program = self._program(key, model, batch_size, compilation)
                program.train_epoch(learning_rate, ema_momentum, plan.seed, epoch=1)
            except _OUT_OF_MEMORY:
                raise
            except Exception as error:  # custom layers may refuse to be copied, traced or compiled in any way
                why = self._refused[key] = _first_line(error)
                self._programs.pop(key, None)
            else:
                return program, str(compilation)
        self._say_once(why)
        trainer = FitProgram(model, *self._data, batch_size, self._task)
        trainer.train_epoch(learning_rate, ema_momentum, plan.seed, epoch=1)
        return trainer, f"fit ({why})"

    def _program(self, key: str, model: keras.Model, batch_size: int, compilation: Compilation) -> Program:
        """The compiled architecture, from the cache where it is known, reset to the model."""
        program = self._programs.pop(key, None) or Program(model, *self._data, batch_size, compilation, self._task)
        self._make_room(program.n_bytes)
        self._programs[key] = program
        program.reset(model)
        return program

    def _make_room(self, n_bytes: int) -> None:
        while self._programs and n_bytes + sum(p.n_bytes for p in self._programs.values()) > _MAX_CACHE_BYTES:
            self._programs.popitem(last=False)
            gc.collect()  # networks hold reference cycles: hundreds of MB would wait for the next full collection

    def _say_once(self, why: str) -> None:
        if why not in self._said:
            _log.warning("The model cannot be compiled (%s): its own `fit` trains it.", why)
        self._said.add(why)


def _kind_of(model: keras.Model) -> tuple[str, str]:
    """What one compiled epoch is made for; or an empty string, and why there can be none."""
    if why := _why_not(model):
        return "", why
    try:
        return f"{_training_of(model)} {architecture(model)}", ""
    except Exception as error:  # a custom layer's own configuration may fail in any way
        return "", _first_line(error)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else ''}"


def _why_not(model: keras.Model) -> str:
    """Why a model's training is its own affair, in words; empty if it is not."""
    kind = type(model)
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        return "it is neither sequential nor functional"
    if any(getattr(kind, name) is not getattr(keras.Model, name) for name in ("train_step", "compute_loss")):
        return "it has a training step or a loss of its own"
    if any(getattr(layer, "mask_zero", False) or isinstance(layer, keras.layers.Masking) for layer in model.layers):
        return "it masks time steps"
    if model.compiled and model.run_eagerly:
        return "it is to run eagerly"
    return ""


def _training_of(model: keras.Model) -> str:
    """Optimizer and loss of a compiled model, as far as they are compiled with it; the learning rate is not."""
    if not model.compiled:
        return ""
    optimizer = model.optimizer
    config = {name: value for name, value in optimizer.get_config().items() if name not in ("name", "learning_rate")}
    losses = {name: value for name, value in model.get_compile_config().items() if name in ("loss", "loss_weights")}
    schedule = str(optimizer.get_config()) if has_schedule(optimizer) else ""
    return f"{type(optimizer).__name__} {config} {losses} {schedule}"
