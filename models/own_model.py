"""Somebody else's model: what its `build` returns, checked, and read as a network of logits.

A compiled model trains with its own optimizer and loss; a classifier's softmax is read as the logits that it came from.
"""

from __future__ import annotations

from typing import Any

import keras

from models.inputs import InputFormat


class UnfitModel(Exception):
    """A network cannot be trained on this data; the message says why, and what to change."""


def checked(model: Any, form: InputFormat, n_outputs: int, *, must_be_compiled: bool) -> keras.Model:  # noqa: ANN401
    """A network that a user's `build` returned, built, once it is sound.

    Args:
        model: Whatever was returned.
        form: The raw inputs.
        n_outputs: How many outputs the data asks for.
        must_be_compiled: Whether nobody else gives it a loss.

    Raises:
        UnfitModel: The first rule that does not hold.
    """
    _check_kind(model)
    if must_be_compiled and not model.compiled:
        raise UnfitModel("`build` must return a compiled model: call `model.compile(optimizer, loss)` in it")
    if not model.built:
        model.build((None, *form.shape))
    taken = getattr(model, "input_shape", None)
    if isinstance(taken, tuple) and not _fits(taken[1:], form.shape):
        raise UnfitModel(
            f"the model takes inputs of shape {taken[1:]}, but one example of the data has {form.shape}: "
            "change the model's first layer or the data"
        )
    _check_outputs(model, form, n_outputs)
    return model


def logits_model(model: keras.Model, form: InputFormat) -> keras.Model:
    """The network from raw inputs to logits, sharing its weights: itself, or the logarithm of its probabilities.

    Raw logits may be shifted by any number without changing a probability, so the logarithm of a softmax will do.
    Inputs are in the data's own type, also for a network that asks for another one, as an embedding of tokens does.
    """
    if gives_logits(model) and not model.compiled and _wanted_dtype(model) in (None, form.dtype):
        return model
    inputs = keras.Input(form.shape, dtype=form.dtype)
    outputs = _without_training(model)(_cast(inputs, model))
    if _gives_probabilities_of_yes(model):
        tiny = keras.config.epsilon()
        outputs = keras.ops.log(keras.ops.maximum(outputs, tiny)) - keras.ops.log(keras.ops.maximum(1 - outputs, tiny))
    elif not gives_logits(model):
        outputs = keras.ops.log(keras.ops.maximum(outputs, keras.config.epsilon()))
    return keras.Model(inputs, outputs, name="logits")


def _without_training(model: keras.Model) -> keras.Model:
    """The same layers without optimizer, loss and metrics, where the model has a graph."""
    has_graph = isinstance(model, keras.Sequential) or hasattr(model, "operations")
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name) if has_graph else model


def _cast(inputs: keras.KerasTensor, model: keras.Model) -> keras.KerasTensor:
    """Raw inputs in the type that a model asks for: one without an input layer of its own asks for float32."""
    wanted = _wanted_dtype(model)
    return inputs if wanted in (None, inputs.dtype) else keras.ops.cast(inputs, wanted)


def _wanted_dtype(model: keras.Model) -> str | None:
    """The type of inputs that a model was built for; None where its layers take what comes."""
    return str(model.inputs[0].dtype) if getattr(model, "inputs", None) else None


def gives_logits(model: keras.Model) -> bool:
    """Whether the outputs are logits: as a compiled model's loss takes them; otherwise unless they are a softmax."""
    if not model.compiled:
        return not _ends_in_softmax(model)
    loss: Any = model.loss
    if isinstance(loss, keras.losses.Loss) and "from_logits" in loss.get_config():
        return bool(loss.get_config()["from_logits"])
    return not _ends_in_softmax(model)


def _gives_probabilities_of_yes(model: keras.Model) -> bool:
    """Whether a compiled model's loss takes the outputs for probabilities, each of a yes or no of its own."""
    if not model.compiled:
        return False
    loss: Any = keras.losses.get(model.loss) if isinstance(model.loss, str) else model.loss
    is_object = isinstance(loss, keras.losses.BinaryCrossentropy)
    return loss is keras.losses.binary_crossentropy or (is_object and not loss.get_config()["from_logits"])


def takes_one_hot(model: keras.Model) -> bool:
    """Whether a compiled model's loss compares one-hot labels."""
    if not model.compiled:
        return False
    loss: Any = model.loss
    kinds = keras.losses.CategoricalCrossentropy, keras.losses.CategoricalFocalCrossentropy
    functions = keras.losses.categorical_crossentropy, keras.losses.categorical_focal_crossentropy
    found = keras.losses.get(loss) if isinstance(loss, str) else loss
    return isinstance(found, kinds) or found in functions


def _ends_in_softmax(model: keras.Model) -> bool:
    last = model.layers[-1] if model.layers else None
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def _check_kind(model: Any) -> None:  # noqa: ANN401
    if isinstance(model, keras.Model):
        return
    kind = type(model)
    if any(each.__module__.partition(".")[0] == "tf_keras" for each in kind.__mro__):
        raise UnfitModel(
            "`build` returned a tf_keras model (Keras 2), which cannot be trained here: its layers, weights and "
            "optimizers are other classes than those of Keras 3. Replace `import tf_keras as keras` by `import keras`, "
            "and unset TF_USE_LEGACY_KERAS"
        )
    what = "nothing" if model is None else f"{kind.__module__}.{kind.__qualname__}"
    raise UnfitModel(f"`build` must return a keras.Model, but it returned {what}")


def _fits(taken: tuple[int | None, ...], given: tuple[int, ...]) -> bool:
    return len(taken) == len(given) and all(a in (None, b) for a, b in zip(taken, given, strict=True))


def _check_outputs(model: keras.Model, form: InputFormat, n_outputs: int) -> None:
    shape = model.compute_output_shape((None, *form.shape))
    if not isinstance(shape, tuple):
        raise UnfitModel("the model has several outputs; this data asks for one")
    if shape[1:] != (n_outputs,):
        raise UnfitModel(
            f"the model gives outputs of shape {shape[1:]}, but the data asks for ({n_outputs},): "
            f"end it in a layer of {n_outputs} units{_one_logit(shape[1:], n_outputs)}"
        )


def _one_logit(given: tuple[int | None, ...], n_outputs: int) -> str:
    return (
        ", or name the task of one output for two classes by --task binary" if (given, n_outputs) == ((1,), 2) else ""
    )
