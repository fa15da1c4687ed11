"""What the fuzzing feeds: command lines, space files, archives and images, made up or damaged, by Hypothesis."""

from __future__ import annotations

import contextlib
import io
import zipfile
from urllib.parse import quote

import click
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

CANARY = "s3cr3t"  # stands in every password, and must stand in nothing that is said

NASTY = ["", "-", "--", "nan", "inf", "-inf", "1e999", "../x", "a/b", "\0", "a\0b", "\x1b[31m", "a\nb", "\udcff", "~"]
NASTY += ["x" * 300, "y" * 5000, "a/" * 3000, "[/b]", "$a$", ":cat:", "\u202e", "%s{}", "/dev/zero", "/proc/self/mem"]
FILES = ["own.npz", "seven.png", "space.toml", "notes.txt", "empty", "loop", "pipe", "images", "no/x.npz", "known.db"]
_KNOWN = ["digits", "mnist5k", "stand-in", "val_loss", "auto", "known", "0", "1", "3", "mlp", "a:b", "keras"]
_SCHEMES = ["postgresql", "postgresql+psycopg", "mysql+pymysql", "sqlite", "http", "https", "x"]

_numbers = st.integers(-(10**20), 10**20).map(str) | st.floats().map(str)
_secrets = st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(lambda text: f"{CANARY}{text}{CANARY}")


@st.composite
def urls(draw: st.DrawFn) -> str:
    """Of servers on this machine where nobody listens, with a password: escaped, bare, or in the query."""
    scheme = draw(st.sampled_from(_SCHEMES))
    secret, place = draw(_secrets), draw(st.sampled_from(["127.0.0.1:1", "[::1]:1", "127.0.0.1:x", "127.0.0.1:99999"]))
    secret = draw(st.sampled_from([secret, quote(secret, safe=""), quote(secret)]))
    name = draw(st.sampled_from(["/optuna", "", "/a?b", "/" + "z" * 300]))
    if draw(st.booleans()):
        return f"{scheme}://me:{secret}@{place}{name}"
    key = draw(st.sampled_from(["password", "PASSWORD", "passwd", "sslpassword", "token"]))
    return f"{scheme}://{place}{name}?{key}={quote(secret, safe='')}&x=1"


words = st.one_of(
    st.sampled_from(FILES), st.sampled_from(_KNOWN), st.sampled_from(NASTY), st.text(max_size=40), _numbers
)


@st.composite
def command_lines(draw: st.DrawFn, command: click.Command) -> list[str]:
    """Options of a command with values of any kind; now and then words that are none."""
    options = [option for option in command.params if isinstance(option, click.Option)]
    args: list[str] = []
    for option in draw(st.lists(st.sampled_from(options), max_size=6)):
        name = draw(st.sampled_from(option.opts))
        args.append(name if draw(st.integers(0, 30)) else draw(st.text(max_size=8).map(lambda text: f"--{text}")))
        if not option.is_flag and draw(st.integers(0, 20)):
            args.append(draw(words | urls()))
    for _ in range(draw(st.integers(0, 2))):
        args.append(draw(words | urls()))
    return args


_SCALARS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats().map(repr),
    st.sampled_from(["true", "false", "[]", "{}", "1979-05-27", "0x10", "1e400", "9" * 5000, "nan", "-inf", "'relu'"]),
    st.text(max_size=8).map(lambda text: '"' + text.replace("\\", "").replace('"', "") + '"'),
)
_LISTS = st.lists(_SCALARS, max_size=4).map(lambda each: f"[{', '.join(each)}]")
_SCALES = st.sampled_from(["'integer'", "'log2_integer'", "'linear'", "'log10'", "'log10_or_zero'", "'choice'", "''"])
_ROLES = st.sampled_from(["'capacity'", "'regularization'", "'nuisance'", "'none'", "'x'"])
_SETTINGS = {"role": _ROLES, "scale": _SCALES, "range": _LISTS, "step": _SCALARS, "start": _SCALARS, "choices": _LISTS}
_small = st.integers(1, 4096) | st.floats(1e-6, 1e4)
_LIKELY = {
    "range": st.tuples(_small, _small).map(lambda pair: str(sorted(pair))),
    "step": _small.map(str),
    "start": _small.map(str),
    "choices": st.lists(st.integers(0, 9), min_size=2, max_size=4, unique=True).map(str),
}


@st.composite
def space_texts(draw: st.DrawFn) -> str:
    """TOML that looks like levers, sometimes spoiled."""
    lines, names = [], st.sampled_from(["units", "rate", '"a b"', "a.b", '"\\u0000"', '""', "x=y"])
    likely = {**_SETTINGS, **_LIKELY} if draw(st.booleans()) else {}
    for name in draw(st.lists(names, max_size=4, unique=bool(likely))):
        keys = st.sampled_from([*_SETTINGS, "first_step", "ranges"][: None if not likely else -2])
        lines.append(f"[{name}]")
        for key in draw(st.lists(keys, max_size=5, unique=True)):
            lines.append(f"{key} = {draw(likely.get(key, _SETTINGS.get(key, _SCALARS) | _SCALARS))}")
    text = "\n".join(lines)
    spoil = draw(st.sampled_from(["", "", "", "[" * 2000, "x = " + "[" * 3000, "\ufeff", "=", "[units", "\0"]))
    return draw(st.sampled_from([f"{text}\n{spoil}", f"{spoil}\n{text}"]))


@st.composite
def damaged(draw: st.DrawFn, sound: list[bytes]) -> bytes:
    """A sound file with some bytes changed, cut out or added."""
    data = bytearray(draw(st.sampled_from(sound)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case 1:
                del data[at : at + draw(st.integers(1, 60))]
            case 2:
                data[at:at] = draw(st.binary(max_size=20))
            case _:
                del data[at:]
    return bytes(data)


_arrays = st.one_of(
    npst.arrays(
        st.one_of(npst.integer_dtypes(), npst.floating_dtypes(), npst.boolean_dtypes(), npst.unicode_string_dtypes()),
        npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
    ),
    npst.arrays(npst.datetime64_dtypes() | npst.complex_number_dtypes(), 3),
    st.just(np.array([object()], dtype=object)),
)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Arrays of any type and shape under the right names or others, sometimes sound ones, sometimes Python objects."""
    names = st.sampled_from(["x_train", "y_train", "x_test", "y_test", "other", "../x_train"])
    n = draw(st.integers(0, 30))
    sound = {"x_train": np.zeros((n, 3), "float32"), "y_train": np.arange(n) % 3}
    arrays = {**(sound if draw(st.booleans()) else {}), **draw(st.dictionaries(names, _arrays, max_size=4))}
    return archive_of(arrays, draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])))


def archive_of(arrays: dict[str, np.ndarray], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive like `numpy.savez`'s, which may hold Python objects."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=True)
    return buffer.getvalue()


SOUND_ARCHIVE = archive_of(
    {"x_train": np.arange(240, dtype="uint8").reshape(60, 2, 2), "y_train": np.arange(60, dtype="int64") % 3}
)


def sound_images() -> list[bytes]:
    """A stroke and noise, in every kind of pixel and every format that takes it."""
    rng = np.random.default_rng(0)
    grey = np.full((20, 16), 250, "uint8")
    grey[4:16, 7:9] = 10
    noise = rng.integers(0, 255, (9, 9, 4)).astype("uint8")
    pictures = [Image.fromarray(grey), Image.fromarray(noise), Image.fromarray(grey).convert("P")]
    pictures += [Image.fromarray(grey.astype("uint16") * 200), Image.fromarray(grey.astype("float32") / 250)]
    pictures += [Image.fromarray(np.tile(grey[:, :1], (1, 3000))), Image.fromarray(grey).convert("1")]
    files = []
    for picture in pictures:
        for name in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "ICO", "TGA", "PCX", "JPEG2000", "EPS", "PDF"):
            file = io.BytesIO()
            with contextlib.suppress(OSError, ValueError, KeyError):  # not every format takes every kind of pixel
                picture.save(file, name)
                files.append(file.getvalue())
    return files
