"""What all commands share: some options, one line for an error of the user, the exit codes, a quiet TensorFlow.

Exit codes: 0 success, 2 bad input or unusable surroundings (one line on stderr, no traceback), 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import click

from tuning.errors import SearchError
from tuning.masking import masked, one_line
from tuning.paths import refusal


def path_text(value: str) -> str:
    """A path, or a name or URL in its place, as an option takes it: whether it exists is asked later.

    Raises:
        click.BadParameter: If the operating system takes no such path.
    """
    if "://" not in value and (why := refusal(value)):
        raise click.BadParameter(f"The path {value!r} cannot be used: {why}.")
    return value


def path(value: str) -> Path:
    """The same, as a `Path`."""
    return Path(path_text(value))


storage_option = click.option(
    "--storage",
    type=path_text,
    metavar="URL|FILE",
    default=None,
    envvar="TUNING_STORAGE",  # a password on the command line can be read by every user of the machine
    show_default="a journal under mlruns/studies/",
    help="Optuna storage of the study: a journal file, a database, or Optuna's gRPC proxy (grpc://HOST:PORT); a URL "
    "with a password is better kept in TUNING_STORAGE. Example: --storage sqlite:///optuna.db",
)
export_dir_option = click.option(
    "--export-dir",
    type=path,
    metavar="FOLDER",
    default=None,
    show_default="exports/STUDY",
    help="Folder of the exported model; an earlier export there is replaced. Example: --export-dir best-model",
)

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

_URLS = ("TUNING_STORAGE", "MLFLOW_TRACKING_URI")  # environment variables in which a password may stand
_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"

# Keras imports them, where they are installed, for its galleries and its wrappers alone: a quarter of its whole import.
_NOT_NEEDED = ("matplotlib", "sklearn")


def run(command: click.Command, args: Sequence[str] | None = None) -> int:
    """Run a click command and return its exit code."""
    given = sys.argv[1:] if args is None else list(args)
    try:
        return int(command.main(given, standalone_mode=False) or 0)
    except click.ClickException as error:
        return _refused(given, error.format_message())
    except SearchError as error:
        return _refused(given, error.message, error.told)
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED


def _refused(given: Sequence[str], message: str, told: str = "") -> int:
    """Say in one line what is wrong, below it what somebody else's code has to say, and no password that was given."""
    urls = [*given, *(os.environ.get(name) for name in _URLS)]
    print(f"error: {one_line(masked(message, *urls))}", file=sys.stderr)
    if told:
        print(masked(told, *urls), file=sys.stderr)
    return EXIT_BAD_INPUT


def import_tensorflow() -> None:
    """Import TensorFlow without its start-up chatter, unless the user set `TF_CPP_MIN_LOG_LEVEL`.

    Its first lines are printed by C++ before that variable is read, so the process's stderr is held back meanwhile.
    """
    is_quiet = _LOG_LEVEL not in os.environ
    os.environ.setdefault(_LOG_LEVEL, "3")
    with _absent(*_NOT_NEEDED), _stderr_held_back() if is_quiet else nullcontext():
        import tensorflow
    if is_quiet:
        # Its advice on retracing is meant for loops that train one architecture; here each has a graph of its own.
        tensorflow.get_logger().setLevel("ERROR")


@contextmanager
def _absent(*packages: str) -> Iterator[None]:
    """What is imported here finds these packages not installed, unless they are imported already."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is Python's own word for it
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Collect what is written to file descriptor 2; shown only if an exception comes out."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
