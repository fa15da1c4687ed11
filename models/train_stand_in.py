"""Trains the small CNN that stands in for TF-GAN's MNIST classifier when TF Hub cannot be reached.

The result, `models/stand_in/`, is part of the repository; this script is its whole recipe and can run again:

    python -m models.train_stand_in --mnist ~/.keras/datasets/mnist.npz

The SavedModel keeps the contract of the module that it stands in for: images [N, 28, 28, 1] in [-1, 1] to
logits [N, 10], callable and with a signature `default`. Recipe, data and test accuracy go to `recipe.json`.
"""

import argparse
import hashlib
import json
import platform
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from models.pretrained import IMAGE_SHAPE, N_CLASSES, STAND_IN_DIR, to_baseline_input

SEED = 20
EPOCHS = 8
BATCH_SIZE = 128
PEAK_LEARNING_RATE = 2e-3


def build() -> keras.Model:
    """Returns the untrained network: two convolutions, each followed by pooling, and one hidden layer."""
    return keras.Sequential(
        [
            keras.Input(IMAGE_SHAPE),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(N_CLASSES),
        ]
    )


def train(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> keras.Model:
    """Trains the network on all images for a fixed number of epochs, the same way every time."""
    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()
    model = build()
    n_steps = EPOCHS * -(-len(images) // BATCH_SIZE)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(PEAK_LEARNING_RATE, n_steps)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(to_baseline_input(images), labels, batch_size=BATCH_SIZE, epochs=EPOCHS, verbose=2)
    return model


def save(model: keras.Model, folder: Path) -> None:
    """Writes the network as a callable SavedModel with a signature `default`, in place of what was there."""
    module = tf.Module()
    # The variables alone: tracking the Keras model would save its optimizer too.
    module.weights = [weight.value for weight in model.weights]
    module.__call__ = tf.function(
        lambda images: model(images, training=False),
        input_signature=[tf.TensorSpec([None, *IMAGE_SHAPE], tf.float32, name="images")],
    )
    shutil.rmtree(folder, ignore_errors=True)
    # Debug information holds the paths of the machine that saved it.
    options = tf.saved_model.SaveOptions(experimental_debug_stripper=True)
    tf.saved_model.save(module, str(folder), signatures={"default": module.__call__}, options=options)


def recipe(model: keras.Model, data: dict[str, NDArray[np.uint8]]) -> dict[str, Any]:
    """Returns what `recipe.json` says: how the weights came about, and their score on the test images."""
    test_nll, test_accuracy = model.evaluate(to_baseline_input(data["x_test"]), data["y_test"], verbose=0)
    return {
        "what": "small CNN that stands in for TF-GAN's MNIST classifier; it is not TF-GAN's",
        "command": "python -m models.train_stand_in --mnist PATH",
        "input": "images [N, 28, 28, 1], float32, (pixel - 127.5) / 127.5",
        "output": "logits [N, 10], float32",
        "layers": [_described(layer) for layer in model.layers],
        "n_params": model.count_params(),
        "training": {
            "data": "all training images of MNIST, no augmentation",
            "n_images": len(data["x_train"]),
            "sha256_of_x_train_then_y_train_as_uint8": _sha256(data["x_train"], data["y_train"]),
            "loss": "cross-entropy from logits",
            "optimizer": "Adam, Keras' defaults",
            "learning_rate": f"cosine decay from {PEAK_LEARNING_RATE:g} to 0 over all steps",
            "batch_size": BATCH_SIZE,
            "epochs": EPOCHS,
            "seed": SEED,
        },
        "test": {
            "data": "all test images of MNIST, evaluated once, after the last epoch",
            "n_images": len(data["x_test"]),
            "sha256_of_x_test_then_y_test_as_uint8": _sha256(data["x_test"], data["y_test"]),
            "accuracy": round(test_accuracy, 4),
            "nll": round(test_nll, 4),
        },
        "versions": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    }


def _described(layer: keras.Layer) -> str:
    """Names a layer with those of its settings that set this network apart."""
    told = ("filters", "units", "kernel_size", "pool_size", "rate", "activation")
    config = layer.get_config()
    return f"{type(layer).__name__}({', '.join(f'{key}={config[key]}' for key in told if key in config)})"


def _sha256(*arrays: NDArray[np.uint8]) -> str:
    """Digests values and not the file, whose compression may differ from copy to copy."""
    return hashlib.sha256(b"".join(array.astype(np.uint8).tobytes() for array in arrays)).hexdigest()


def main() -> None:
    """Trains, saves, evaluates and writes the recipe."""
    parser = argparse.ArgumentParser(description="Train the stand-in baseline and write models/stand_in/.")
    parser.add_argument("--mnist", type=Path, required=True, help="MNIST as Keras stores it: mnist.npz")
    with np.load(parser.parse_args().mnist) as archive:
        data = {name: archive[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    model = train(data["x_train"], data["y_train"])
    save(model, STAND_IN_DIR)
    (STAND_IN_DIR / "recipe.json").write_text(json.dumps(recipe(model, data), indent=2) + "\n")


if __name__ == "__main__":
    main()
