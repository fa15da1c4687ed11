"""The pretrained baseline before the search: can it be used, and what is there to say of it?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from models.pretrained import DEFAULT_HANDLE, BaselineError, PretrainedBaseline, applies_to, load_baseline
from tuning.data import Dataset
from tuning.errors import SettingsError


@dataclass(frozen=True)
class BaselineFacts:
    """A loaded baseline without the network itself; fields as in `PretrainedBaseline`."""

    name: str
    handle: str
    is_stand_in: bool
    may_have_seen: str
    note: str

    def sentences(self) -> tuple[str, ...]:
        """What to know when its result is read."""
        stand_in = f"the baseline is a stand-in for TF-GAN's classifier: {self.note}"
        return (*([stand_in] if self.is_stand_in else []), f"{self.name}: {self.may_have_seen}")


def applies(handle: str | None, dataset: Dataset) -> bool:
    """Whether there is a baseline for this data.

    Raises:
        SettingsError: If there is none and the user named one.
    """
    fits = applies_to(dataset.input_shape, dataset.n_classes)
    if not fits and handle is not None:
        raise SettingsError(
            f"`--baseline` needs 28x28 images of ten classes, got {dataset.input_shape} with "
            f"{dataset.n_classes} classes: leave it out."
        )
    return fits


def check_trust(handle: str | None, *, is_trusted: bool) -> None:
    """Refuse to load what somebody else's server sends, unless the user trusts it: a SavedModel is code.

    The default one and the stand-in are this project's choice, and what lies in a folder was put there by the user.

    Raises:
        SettingsError: If the handle is a URL other than the default one, and not trusted.
    """
    if handle is not None and "://" in handle and handle != DEFAULT_HANDLE and not is_trusted:
        raise SettingsError(
            f"`--baseline {handle}` is a program that would run here with your rights: add --trust if you trust who "
            "published it, or name a folder."
        )


def facts(handle: str | None) -> BaselineFacts:
    """Load a baseline, which imports TensorFlow, and say what it is.

    Raises:
        SettingsError: If the user named one that cannot be used.
    """
    loaded = load_handle(handle)
    return BaselineFacts(loaded.name, loaded.handle, loaded.is_stand_in, loaded.may_have_seen, loaded.note)


def load(known: BaselineFacts) -> PretrainedBaseline:
    """Load the baseline of which these are the facts.

    Raises:
        SettingsError: If it is gone since.
    """
    loaded = load_handle(known.handle)
    return replace(loaded, note=known.note) if known.is_stand_in else loaded


def load_handle(handle: str | None) -> PretrainedBaseline:
    """Load a baseline by its handle; None for the default one, or what stands in for it.

    Raises:
        SettingsError: If the user named one that cannot be used.
    """
    try:
        return load_baseline(handle, cache_dir=Path(tempfile.gettempdir()) / "tfhub_modules")
    except BaselineError as error:
        raise SettingsError(str(error)) from error
