"""Whether parts look alike, with measures written out here: TF-GAN's own are tested beside them in tests/models."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from scipy.special import log_softmax

from tuning.evaluation import OwnImagesReport, PartsReport, compare_parts, compare_with_training

Logits = NDArray[np.float64]


def classifier_score(logits: Logits) -> float:
    """exp(E KL(p(y|x) || p(y)))."""
    log_p = log_softmax(logits, axis=1)
    return float(np.exp((np.exp(log_p) * (log_p - np.log(np.exp(log_p).mean(axis=0)))).sum(axis=1).mean()))


def frechet_distance(one: Logits, two: Logits) -> float:
    """|m1 - m2|^2 + Tr(C1 + C2 - 2 (C1 C2)^(1/2))."""
    c1, c2 = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    root = np.real(np.trace(sqrtm(c1 @ c2)))
    return float(np.square(one.mean(axis=0) - two.mean(axis=0)).sum() + np.trace(c1 + c2) - 2 * root)


def report(shift: float) -> PartsReport:
    """Of three draws of one kind, the test part moved by `shift` standard deviations."""
    draws = np.random.default_rng(0).normal(size=(3, 300, 3))
    labels = np.arange(300) % 3
    parts = {"train": (draws[0], labels), "validation": (draws[1], labels), "test": (draws[2] + shift, labels)}
    return compare_parts(
        parts,
        classifier="the classifier",
        score=classifier_score,
        distance=frechet_distance,
        test_share_unlike=0.01,
        seed=0,
    )


def test_parts_of_one_kind_show_no_difference() -> None:
    """The distance is not 0, but chance gives as much."""
    alike = report(0.0)
    assert alike.sentence().startswith("no difference shown between validation and test images as the classifier sees")
    assert 0 < alike.distances[2].distance <= alike.distances[2].by_chance


def test_a_test_part_of_another_kind_shows() -> None:
    """Half a standard deviation is enough; train and validation stay alike."""
    moved = report(0.5)
    train_validation, train_test, validation_test = moved.distances
    assert moved.sentence().startswith("validation images differ from test images")
    assert (False, True, True) == (train_validation.is_shown, train_test.is_shown, validation_test.is_shown)
    assert ("validation", "test", 0.01) == (validation_test.first, validation_test.second, validation_test.p_value)


def test_numbers_are_flat_and_ready_for_json() -> None:
    """A score a part, and of each pair the distance, what chance gives, and the p-value."""
    alike = report(0.0)
    numbers = json.loads(json.dumps(alike.as_dict()))
    assert 3 + 3 * 3 + 1 == len(numbers)
    assert alike.distances[2].distance == numbers["frechet_classifier_distance_validation_test"]
    assert alike.scores["test"] == numbers["classifier_score_test"]


def test_parts_of_different_sizes_are_rejected() -> None:
    """Their distances could not be compared: fewer images lie farther apart."""
    parts = {name: (np.zeros((n, 3)), np.zeros(n, np.int64)) for name, n in (("train", 10), ("test", 9))}
    with pytest.raises(ValueError, match="Every part needs as many images"):
        compare_parts(
            parts, classifier="x", score=classifier_score, distance=frechet_distance, test_share_unlike=0, seed=0
        )


@pytest.mark.parametrize(("shift", "is_shown"), [(0.0, False), (0.2, True)])
def test_chance_leaves_the_classes_of_a_stratified_split_as_they_are(shift: float, is_shown: bool) -> None:
    """Classes far apart do not hide that images of the same class differ, and are no difference by themselves."""
    draws, labels = np.random.default_rng(1).normal(size=(2, 300, 3)), np.arange(300) % 3
    centres = 20 * np.eye(3)[labels]
    moved = {"validation": (draws[0] + centres, labels), "test": (draws[1] + centres + shift, labels)}
    train = {"train": (draws[0] + centres, labels)}
    compared = compare_parts(
        train | moved, classifier="x", score=classifier_score, distance=frechet_distance, test_share_unlike=0, seed=0
    )
    assert is_shown == compared.distances[2].is_shown


def own_report(shift: float, classes: NDArray[np.int64]) -> OwnImagesReport:
    """Of own images of these classes, moved by `shift` deviations, and 900 training images of three classes."""
    draws, labels = np.random.default_rng(2).normal(size=(1000, 3)), np.arange(900) % 3
    own, training = draws[900:][: len(classes)] + 20 * np.eye(3)[classes], draws[:900] + 20 * np.eye(3)[labels]
    return compare_with_training(
        own + shift * np.array([1, 0, 0]),
        training,
        classifier="the classifier",
        score=classifier_score,
        distance=frechet_distance,
        seed=0,
    )


@pytest.mark.parametrize("classes", [np.arange(60) % 3, np.zeros(60, np.int64)])
def test_own_images_are_compared_with_training_images_of_their_classes(classes: NDArray[np.int64]) -> None:
    """Sixty sevens are no sample of all digits, and yet no other images."""
    alike, moved = own_report(0.0, classes), own_report(1.5, classes)
    assert (False, True) == (alike.between.is_shown, moved.between.is_shown)
    assert 60 == alike.n_images
    assert alike.sentence().startswith("no difference shown between the images and training images of the same classes")
    assert moved.sentence().startswith("the images differ from training images of the same classes as the classifier")


def test_no_more_own_images_are_compared_than_there_are_training_images() -> None:
    """A Frechet distance is larger for fewer images: both sides have as many."""
    ten = np.random.default_rng(3).normal(size=(10, 3)) + np.array([9, 0, 0])
    many = np.random.default_rng(4).normal(size=(50, 3)) + np.array([9, 0, 0])
    found = compare_with_training(many, ten, classifier="x", score=classifier_score, distance=frechet_distance, seed=0)
    assert (10, False) == (found.n_images, found.between.is_shown)
