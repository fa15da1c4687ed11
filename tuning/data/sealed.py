"""The test set, sealed: it opens once, when nothing is left to decide.

A test set that is looked at while choosing becomes a second validation set. Here that mistake is an error:

    sealed = SealedTest(examples)
    sealed.n_examples   # may be asked at any time
    sealed.open()       # the examples
    sealed.open()       # raises TestSetOpened
"""

from typing import NoReturn

from tuning.data.examples import Examples
from tuning.errors import SearchError


class TestSetOpened(SearchError):
    """The test set of this process has been opened before; a second look would no longer be a test."""


class SealedTest:
    """Holds test examples until they are opened, once.

    Args:
        examples: the test part; the caller keeps no other reference to it.
    """

    def __init__(self, examples: Examples) -> None:
        self._examples: Examples | None = examples
        self._n_examples = len(examples)

    @property
    def n_examples(self) -> int:
        """The number of test examples, also after the opening."""
        return self._n_examples

    def open(self) -> Examples:
        """Return the test examples and forget them.

        Raises:
            TestSetOpened: it has been opened before.
        """
        if self._examples is None:
            raise TestSetOpened(
                "the test set opens once, at the end, and it has been opened already: "
                "use the result of the first opening."
            )
        examples, self._examples = self._examples, None
        return examples

    def __reduce__(self) -> NoReturn:
        # Used by copy, deepcopy and pickle alike: each would be a second chance to open.
        raise TypeError("a sealed test set cannot be copied or pickled: hand over train and validation only.")
