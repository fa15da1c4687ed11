"""What all commands share: some options, one line for an error of the user, the exit codes, a quiet TensorFlow.

Exit codes: 0 success, 2 bad input or unusable surroundings (one line on stderr, no traceback), 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from tuning.errors import SearchError

storage_option = click.option(
    "--storage",
    metavar="URL|FILE",
    default=None,
    envvar="TUNING_STORAGE",  # a password on the command line can be read by every user of the machine
    show_default="a journal under mlruns/studies/",
    help="Optuna storage of the study: a journal file, a database, or Optuna's gRPC proxy (grpc://HOST:PORT); a URL "
    "with a password is better kept in TUNING_STORAGE. Example: --storage sqlite:///optuna.db",
)
export_dir_option = click.option(
    "--export-dir",
    type=click.Path(path_type=Path),
    default=None,
    show_default="exports/STUDY",
    help="Folder of the exported model; an earlier export there is replaced. Example: --export-dir best-model",
)

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def run(command: click.Command, args: Sequence[str] | None = None) -> int:
    """Run a click command and return its exit code."""
    try:
        return int(command.main(args, standalone_mode=False) or 0)
    except click.ClickException as error:
        print(f"error: {error.format_message()}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except SearchError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except (KeyboardInterrupt, click.Abort):
        return EXIT_INTERRUPTED


def import_tensorflow() -> None:
    """Import TensorFlow without its start-up chatter, unless the user set `TF_CPP_MIN_LOG_LEVEL`.

    Its first lines are printed by C++ before that variable is read, so the process's stderr is held back meanwhile.
    """
    if _LOG_LEVEL in os.environ:
        return
    os.environ[_LOG_LEVEL] = "3"
    with _stderr_held_back():
        import tensorflow
    # Its advice on retracing is meant for loops that train one architecture; here each has a graph of its own.
    tensorflow.get_logger().setLevel("ERROR")


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
