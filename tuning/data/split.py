"""Splits into train, validation and test, and the digest that identifies the outcome.

parts = split_examples(train, test=None, seed=7)
parts.validation, data_digest(parts)
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from tuning.data.checks import check_split
from tuning.data.examples import Examples
from tuning.errors import DataError

# One fifth is put away, and never more than 10,000 for validation: that many pin an error rate of 2 % down to
# a standard error of 0.14 points, and everything beyond serves training better.
_FIFTH = 5
_MAX_N_VALIDATION = 10_000

# Fewer examples have no standard error to speak of. Classes are asked for one example each instead.
_MIN_N_PART = 5

# Not the study's seed: studies of the same data with other seeds are compared on one and the same test set,
# and an example that one study was tuned on never tests another.
_TEST_SEED = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """The three parts of a data set, the test part still open."""

    train: Examples
    validation: Examples
    test: Examples


def split_examples(examples: Examples, test: Examples | None, seed: int, *, is_stratified: bool = True) -> Parts:
    """Split off the test part, unless there is one, and then the validation part; classes are stratified.

    Args:
        examples: what was given for training.
        test: the test part that the data brought along, or None to put away a fifth.
        seed: decides which examples validate; the test part does not depend on it.
        is_stratified: whether each part is to have every class in its share; False where an example has no class.

    Raises:
        DataError: a class is too rare to stand in every part, or there are too few examples for three parts.
    """
    split_off = _split_off if is_stratified else _split_off_at_random
    if test is None:
        examples, test = split_off(examples, len(examples) // _FIFTH, seed=_TEST_SEED, part="test")
    n_validation = min(_MAX_N_VALIDATION, len(examples) // _FIFTH)
    train, validation = split_off(examples, n_validation, seed=seed, part="validation")
    return Parts(train, validation, test)


def data_digest(parts: Parts) -> str:
    """Return the SHA-256, in hex, of dtype, shape and every byte of the six arrays.

    MLflow's own dataset digest takes a sample and misses a changed pixel
    (https://github.com/mlflow/mlflow/issues/22275); results are only comparable when every byte is the same.
    """
    return examples_digest(parts.train, parts.validation, parts.test)


def examples_digest(*parts: Examples) -> str:
    """Return the SHA-256, in hex, of dtype, shape and every byte of these examples, in this order."""
    sha256 = hashlib.sha256()
    for part in parts:
        for array in (part.inputs, part.labels):
            sha256.update(f"{array.dtype.str} {array.shape} ".encode())
            sha256.update(np.ascontiguousarray(array).data)
    return sha256.hexdigest()


def _split_off(examples: Examples, n_away: int, *, seed: int, part: str) -> tuple[Examples, Examples]:
    check_split(examples.labels, n_away, part)
    from sklearn.model_selection import train_test_split  # here, because it takes a second to import

    kept, away = train_test_split(
        np.arange(len(examples)), test_size=n_away, stratify=examples.labels, random_state=seed
    )
    return examples.take(kept), examples.take(away)


def _split_off_at_random(examples: Examples, n_away: int, *, seed: int, part: str) -> tuple[Examples, Examples]:
    if n_away < _MIN_N_PART:
        raise DataError(
            f"the {part} part, a fifth of the examples, must hold at least {_MIN_N_PART}, but there are "
            f"{len(examples)} examples in all: add some."
        )
    order = np.random.default_rng(seed).permutation(len(examples))
    return examples.take(order[n_away:]), examples.take(order[:n_away])
