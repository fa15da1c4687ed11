"""Stratified, seeded splits, and a digest that nothing escapes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuning.data.examples import Examples
from tuning.data.split import Parts, data_digest, split_examples


def numbered(counts: list[int]) -> Examples:
    """Return examples of these class counts whose only feature is their number."""
    labels = np.repeat(np.arange(len(counts)), counts)
    return Examples(np.arange(len(labels), dtype=np.float32)[:, None], labels)


def numbers(part: Examples) -> set[float]:
    """Return which examples a part holds."""
    return set(part.inputs.ravel().tolist())


def test_a_fifth_is_put_away_twice() -> None:
    """Of 1,000 examples 200 test, 160 of the rest validate, and each class keeps its share."""
    parts = split_examples(numbered([700, 200, 100]), None, seed=0)

    assert np.bincount(parts.test.labels).tolist() == [140, 40, 20]
    assert np.bincount(parts.validation.labels).tolist() == [112, 32, 16]
    assert np.bincount(parts.train.labels).tolist() == [448, 128, 64]


def test_validation_is_never_more_than_ten_thousand() -> None:
    """60,000 examples with a test set of their own give MNIST's usual 50,000 and 10,000."""
    parts = split_examples(numbered([6_000] * 10), numbered([10] * 10), seed=0)

    assert (len(parts.train), len(parts.validation), len(parts.test)) == (50_000, 10_000, 100)


def test_same_seed_same_split() -> None:
    """A split can be repeated, to the order of the examples."""
    examples = numbered([50, 50])

    first, second = (split_examples(examples, None, seed=3) for _ in range(2))

    np.testing.assert_array_equal(first.train.inputs, second.train.inputs)
    assert data_digest(first) == data_digest(second)


def test_other_seed_other_validation_but_same_test() -> None:
    """Studies with different seeds are compared on one test set."""
    first, second = (split_examples(numbered([50, 50]), None, seed=seed) for seed in (1, 2))

    assert numbers(first.test) == numbers(second.test)
    assert numbers(first.validation) != numbers(second.validation)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(counts=st.lists(st.integers(10, 60), min_size=2, max_size=6), seed=st.integers(0, 2**32 - 1))
def test_every_example_stands_in_one_part_and_every_class_in_all(counts: list[int], seed: int) -> None:
    """With ten examples a class nothing is lost, nothing doubled, and no class is missing anywhere."""
    parts = split_examples(numbered(counts), None, seed)
    every = (parts.train, parts.validation, parts.test)

    assert set().union(*(numbers(part) for part in every)) == set(range(sum(counts)))
    assert sum(len(part) for part in every) == sum(counts)
    for part in every:
        assert set(part.labels.tolist()) == set(range(len(counts)))


def pixels(part: Examples) -> Examples:
    """Return the part with its middle input changed by one."""
    inputs = part.inputs.copy()
    inputs[len(inputs) // 2] += 1
    return replace(part, inputs=inputs)


def label(part: Examples) -> Examples:
    """Return the part with its middle label changed by one."""
    labels = part.labels.copy()
    labels[len(labels) // 2] += 1
    return replace(part, labels=labels)


@pytest.mark.parametrize("change", [pixels, label])
@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_digest_sees_one_value_in_the_middle(name: str, change: Any) -> None:  # noqa: ANN401
    """One changed value in the middle of any of the six arrays changes the digest."""
    parts = split_examples(numbered([500, 500]), None, seed=0)

    changed = replace(parts, **{name: change(getattr(parts, name))})

    assert data_digest(parts) != data_digest(changed)


def test_digest_sees_the_shape() -> None:
    """The same bytes in another shape are other data."""
    flat = Examples(np.zeros((6, 4), np.uint8), np.zeros(6, np.int64))
    square = Examples(np.zeros((6, 2, 2), np.uint8), np.zeros(6, np.int64))

    assert data_digest(Parts(flat, flat, flat)) != data_digest(Parts(square, square, square))
