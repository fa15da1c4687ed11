"""Files that are no readable archive, and archives that hold more than is needed."""

import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from tuning.data.npz import read_npz
from tuning.errors import DataError


def mixed_shapes() -> np.ndarray:
    """Return pictures of two shapes, which numpy can only hold as Python objects."""
    images = np.empty(2, dtype=object)
    images[:] = [np.zeros((4, 4)), np.zeros((5, 4))]
    return images


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """The path is repeated, because a typing error is what is wrong most often."""
    with pytest.raises(DataError, match=r"nowhere\.npz is none \(there is no such file\): check the path"):
        read_npz(tmp_path / "nowhere.npz")


def test_folder_is_refused(tmp_path: Path) -> None:
    """A folder is no file, whatever it is called."""
    folder = tmp_path / "data.npz"
    folder.mkdir()

    with pytest.raises(DataError, match="it is a folder"):
        read_npz(folder)


def test_text_is_refused(tmp_path: Path) -> None:
    """A text file with the right ending is no archive."""
    path = tmp_path / "notes.npz"
    path.write_text("x_train, y_train")

    with pytest.raises(DataError, match=r"notes\.npz must be a readable archive"):
        read_npz(path)


def test_archive_cut_short_is_refused(tmp_path: Path) -> None:
    """A download that ended early lacks the archive's directory, which is at its end."""
    path = tmp_path / "part.npz"
    np.savez(path, x_train=np.zeros((60, 4, 4)), y_train=np.arange(60) % 3)
    path.write_bytes(path.read_bytes()[:3000])

    with pytest.raises(DataError, match="cut short"):
        read_npz(path)


def test_damaged_archive_is_refused(tmp_path: Path) -> None:
    """A flipped byte in the middle is found by the archive's checksums."""
    path = tmp_path / "damaged.npz"
    np.savez(path, x_train=np.zeros((60, 4, 4)), y_train=np.arange(60) % 3)
    content = bytearray(path.read_bytes())
    content[3000] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(DataError, match=r"damaged\.npz is damaged \(Bad CRC-32"):
        read_npz(path)


def test_images_of_mixed_shapes_are_refused(tmp_path: Path) -> None:
    """They arrive as pickled objects, which are never loaded: a pickle can run any code."""
    path = tmp_path / "mixed.npz"
    np.savez(path, x_train=mixed_shapes(), y_train=np.arange(2))

    with pytest.raises(DataError, match="x_train must be a plain array of numbers.* mixed shapes"):
        read_npz(path)


def test_other_arrays_of_the_file_are_left_alone(tmp_path: Path) -> None:
    """An array that is not asked for is not read, even if it could not be."""
    path = tmp_path / "more.npz"
    np.savez(path, x_train=np.zeros((2, 3)), y_train=np.arange(2), names=mixed_shapes())

    assert list(read_npz(path)) == ["x_train", "y_train"]


def test_archive_that_expands_a_thousandfold_is_refused(tmp_path: Path) -> None:
    """Zeros: 150 MB in a file of 150 kB. Nothing of it is expanded."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x_train.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (150 * 2**20,)})
        for _ in range(150):
            member.write(bytes(2**20))
    with zipfile.ZipFile(path, "a") as archive, archive.open("y_train.npy", "w") as member:
        np.lib.format.write_array(member, np.arange(3))
    with pytest.raises(DataError, match=r"bomb\.npz must expand to no more than 8 GB and 500 times its own size"):
        read_npz(path)


def test_damaged_archive_is_not_left_open(tmp_path: Path) -> None:
    """A search over many files would run out of them."""
    path = tmp_path / "spoiled.npz"
    np.savez(path, x_train=np.zeros((100, 3)), y_train=np.arange(100))
    path.write_bytes(path.read_bytes().replace(b"PK\x01\x02", b"PK\x01\x00"))  # its table of contents
    with pytest.raises(DataError) as raised:
        read_npz(path)
    assert [] == [file for file in psutil.Process().open_files() if file.path == str(path)], raised.value


def test_array_that_claims_more_than_its_file_holds_is_refused(tmp_path: Path) -> None:
    """numpy would make room for all of it first: here a terabyte."""
    path = tmp_path / "claims.npz"
    np.savez(path, y_train=np.arange(3))
    with zipfile.ZipFile(path, "a") as archive, archive.open("x_train.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (2**40,)})
    with pytest.raises(DataError, match=r"claims\.npz is damaged \(an array is shorter than it says\)"):
        read_npz(path)
