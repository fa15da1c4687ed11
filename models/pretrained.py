"""The pretrained baseline: TF-GAN's MNIST classifier from TF Hub, or what stands in for it.

A tuned model is compared with a network that somebody else trained. `load_baseline` gets it by
`tensorflow_hub.load`, never needs TF-GAN itself, and hides in what form the module was saved: callable (TF2
SavedModel) or with a signature only (TF1 Hub format, Keras export). When the hub cannot be had, the small CNN
of `train_stand_in.py` takes its place and says so.

    baseline = load_baseline(None, cache_dir=Path("models/.tfhub"))
    logits = baseline.logits(to_baseline_input(images))   # images: uint8 [N, 28, 28]
"""

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from models.hub_download import HubUnavailableError, cached_module

if TYPE_CHECKING:
    import tensorflow as tf

DEFAULT_HANDLE = "https://tfhub.dev/tensorflow/tfgan/eval/mnist/logits/1"
STAND_IN = "stand-in"
STAND_IN_DIR = Path(__file__).parent / "stand_in"
IMAGE_SHAPE = (28, 28, 1)
N_CLASSES = 10

_SEEN_MNIST = (
    "trained on MNIST's training images: on all of mnist5k, its test images too, and on mnist's validation images"
)
_DOCUMENTED_SCALING = "[-1, 1]"
_SIGNATURES = ("default", "serving_default", "serve")
_BATCH_SIZE = 500  # ten thousand images at once would need gigabytes of activations

Logits = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class BaselineError(ValueError):
    """The baseline named by the user does not exist, or gives no ten logits for 28x28 grey images."""


@dataclass(frozen=True, slots=True)
class PretrainedBaseline:
    """A classifier trained by others, ready to be scored.

    Attributes:
        name: name of its run and of its row in tables, begins with `baseline-`.
        handle: URL or local path that it was loaded from; "stand-in" for the stand-in.
        is_stand_in: True for the small CNN that the project trained itself.
        may_have_seen: one clause on which images it may have been trained on.
        note: why the stand-in is used, empty for any other baseline.
        logits: maps images [N, 28, 28, 1], float32, to ten outputs an image [N, 10].
        n_params: number of weights, 0 for a module that keeps them as constants of its graph.
        documented_scaling: how its makers scale images, "[-1, 1]" for TF-GAN's and the stand-in; empty if unknown.
        graph: a `tf.Module` whose `forward` is `logits` as a function of tensors, which can be saved.
    """

    name: str
    handle: str
    is_stand_in: bool
    may_have_seen: str
    note: str
    logits: Logits
    n_params: int
    documented_scaling: str = ""
    graph: "tf.Module | None" = None

    def __post_init__(self) -> None:
        if self.is_stand_in != (self.handle == STAND_IN) or self.is_stand_in != bool(self.note):
            raise ValueError(f"The stand-in, and nothing else, has handle {STAND_IN!r} and a note: got {self!r}.")


def load_baseline(handle: str | None, *, cache_dir: Path, timeout_secs: float = 20.0) -> PretrainedBaseline:
    """Loads the pretrained baseline, or the stand-in with the reason in its note.

    Args:
        handle: URL of a TF Hub module, path of a local one, "stand-in", or None for TF-GAN's classifier.
        cache_dir: folder that keeps downloads, unless the environment names one by TFHUB_CACHE_DIR.
        timeout_secs: time limit of a download, in seconds, above 0.

    Returns:
        The baseline. A server that cannot be reached gives the stand-in, as does a default module that cannot
        be used: neither may end a search.

    Raises:
        BaselineError: the handle names a path that does not exist, or a module that cannot be used.
    """
    if handle == STAND_IN:
        return _stand_in(note="asked for")
    try:
        return _from_handle(DEFAULT_HANDLE if handle is None else handle, cache_dir, timeout_secs)
    except HubUnavailableError as error:
        return _stand_in(note=str(error))
    except BaselineError as error:
        if handle is not None:
            raise
        return _stand_in(note=str(error))


def applies_to(input_shape: tuple[int, ...], n_classes: int) -> bool:
    """Tells whether a baseline can classify such data: 28x28 grey images in ten classes."""
    return input_shape in (IMAGE_SHAPE, IMAGE_SHAPE[:2]) and n_classes == N_CLASSES


def to_baseline_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scales images as TF-GAN's MNIST example does.

    Args:
        images: grey images [N, 28, 28] or [N, 28, 28, 1], pixels 0 to 255.

    Returns:
        The images [N, 28, 28, 1] in [-1, 1].

    Raises:
        ValueError: the images have another type or size.
    """
    if images.dtype != np.uint8 or images.shape[1:] not in (IMAGE_SHAPE, IMAGE_SHAPE[:2]):
        raise ValueError(
            f"A baseline takes uint8 images [N, 28, 28] or [N, 28, 28, 1]: got {images.dtype} {list(images.shape)}."
        )
    scaled = (images.astype(np.float32) - 127.5) / 127.5
    return scaled.reshape(-1, *IMAGE_SHAPE)


def _stand_in(note: str) -> PretrainedBaseline:
    graph = _load_graph(STAND_IN_DIR, STAND_IN)
    return PretrainedBaseline(
        name="baseline-stand-in",
        handle=STAND_IN,
        is_stand_in=True,
        may_have_seen=_SEEN_MNIST,
        note=note,
        logits=_over_batches(graph.forward),
        n_params=_n_params(graph.forward, STAND_IN_DIR),
        documented_scaling=_DOCUMENTED_SCALING,
        graph=graph,
    )


def _from_handle(handle: str, cache_dir: Path, timeout_secs: float) -> PretrainedBaseline:
    is_url = handle.startswith(("http://", "https://"))
    folder = cached_module(handle, cache_dir, timeout_secs) if is_url else _existing(handle)
    graph = _load_graph(folder, handle)
    is_default = handle == DEFAULT_HANDLE
    return PretrainedBaseline(
        name="baseline-tfgan-mnist" if is_default else f"baseline-{_readable(handle)}",
        handle=handle,
        is_stand_in=False,
        may_have_seen=f"presumably {_SEEN_MNIST}" if is_default else "may have seen the test images",
        note="",
        logits=_over_batches(graph.forward),
        n_params=_n_params(graph.forward, folder),
        documented_scaling=_DOCUMENTED_SCALING if is_default else "",
        graph=graph,
    )


def _existing(path: str) -> Path:
    folder = Path(path).expanduser()
    if not folder.exists():
        raise BaselineError(
            f"A baseline is an existing folder, a URL or {STAND_IN!r}: {path!r} does not exist; "
            f"for a model of TF Hub give the whole URL, such as {DEFAULT_HANDLE}."
        )
    return folder


def _readable(handle: str) -> str:
    """Returns the last part of a handle that is no version number, in lower case with hyphens."""
    parts = [part for part in urlsplit(handle).path.split("/") if part and not part.isdigit()]
    words = re.findall(r"[a-z0-9]+", parts[-1].lower()) if parts else []
    return "-".join(words) or "unnamed"


def _load_graph(folder: Path, handle: str) -> "tf.Module":
    """Loads a module whose `forward` is a function of a tensor with ten logits an image, which is checked on two."""
    import tensorflow as tf  # seconds to import, and only a search with a baseline needs it

    graph = tf.Module()
    try:
        graph.module = _loaded(folder)
        graph.forward = tf.function(
            _classifier(graph.module),
            input_signature=[tf.TensorSpec([None, *IMAGE_SHAPE], tf.float32)],
            autograph=False,
        )
        shape = np.shape(graph.forward(tf.zeros([2, *IMAGE_SHAPE])))
    except Exception as error:  # a foreign graph raises whatever its operations raise
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise BaselineError(f"The baseline {handle!r} cannot be used ({reason}); name another module.") from error
    if shape != (2, N_CLASSES):
        raise BaselineError(
            f"A baseline gives {N_CLASSES} logits an image: {handle!r} gives shape {list(shape)} "
            "for 2 images; name another module."
        )
    return graph


def _loaded(folder: Path) -> Any:  # noqa: ANN401 - whatever was saved there
    with warnings.catch_warnings():
        # tensorflow_hub 0.16 still imports pkg_resources, which warns that it will go.
        warnings.simplefilter("ignore")
        import tensorflow_hub

    return tensorflow_hub.load(str(folder))


def _classifier(module: Any) -> Callable[["tf.Tensor"], "tf.Tensor"]:  # noqa: ANN401 - whatever was saved there
    """Hides which of the two forms a module has."""
    signatures = [module.signatures[name] for name in _SIGNATURES if name in module.signatures]

    def classify(images: "tf.Tensor") -> "tf.Tensor":
        if callable(module):
            return module(images)
        if not signatures:
            raise BaselineError(f"it is not callable and has no signature among {', '.join(_SIGNATURES)}")
        (input_name,) = signatures[0].structured_input_signature[1]
        (logits,) = signatures[0](**{input_name: images}).values()
        return logits

    return classify


def _over_batches(forward: Callable[[NDArray[np.float32]], "tf.Tensor"]) -> Logits:
    def logits(images: NDArray[np.float32]) -> NDArray[np.float32]:
        starts = range(0, len(images), _BATCH_SIZE)
        batches = [np.asarray(forward(images[start : start + _BATCH_SIZE]), np.float32) for start in starts]
        return np.concatenate(batches)

    return logits


def _n_params(forward: "tf.types.experimental.PolymorphicFunction", folder: Path) -> int:
    """Counts the weights that the logits depend on; TF1 reference variables are seen only on disk."""
    used = [variable.shape for variable in forward.get_concrete_function().variables]
    return sum(math.prod(shape) for shape in used or _shapes_on_disk(folder))


def _shapes_on_disk(folder: Path) -> list[list[int]]:
    import tensorflow as tf

    if not (folder / "variables" / "variables.index").is_file():
        return []
    saved = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    dtypes = saved.get_variable_to_dtype_map()
    # Step counters are saved beside the weights, but are no floating numbers.
    return [shape for name, shape in saved.get_variable_to_shape_map().items() if dtypes[name].is_floating]
