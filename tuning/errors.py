"""What can go wrong through the user's input or surroundings: one line, exit code 2.

A message states the rule, the value that broke it and the way out. Programming errors are not among these:
they keep their traceback.
"""

import errno

_DISK_TROUBLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def is_disk_full(error: BaseException) -> bool:
    """Whether something could not be written because there is no room for it: no fault of what was to be written."""
    if isinstance(error, OSError):
        return error.errno in _DISK_TROUBLE
    cause = error.__cause__
    return "disk is full" in str(error) or (cause is not None and is_disk_full(cause))


class SearchError(Exception):
    """Base of every error that a command prints in one line; the command then exits with code 2.

    Args:
        message: The rule, the value and the way out. A command shows it in one line, whatever the value holds.
        told: Lines of somebody else's that follow it: the traceback of a user's own function.
    """

    def __init__(self, message: str, told: str = "") -> None:
        super().__init__(message, told)  # both, because an error may come from another process, by pickle
        self.message, self.told = message, told

    def __str__(self) -> str:
        return f"{self.message}\n{self.told}" if self.told else self.message


class DataError(SearchError):
    """The data named by the user cannot be used: missing, malformed, or not what a classifier needs."""


class SettingsError(SearchError):
    """A command-line option or setting is out of its range or unknown."""


class StudyError(SearchError):
    """The study exists with other data or another space, is unknown, or has nothing to export."""


class StorageError(SearchError):
    """A folder, an Optuna storage or an MLflow store cannot be reached or written."""


class ExportError(SearchError):
    """An exported model does not reproduce the scored one, or the target cannot be written."""


class WorkerError(SearchError):
    """A process that trains or compares cannot be started, or ended without an answer."""


class ModelError(SearchError):
    """A user's own model cannot be imported, or fails whatever its configuration; holds the user's own traceback."""
