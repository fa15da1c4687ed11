"""Do train, validation and test images look alike to a classifier? If not, validation cannot speak for test.

Measured by TF-GAN's classifier score of each part and Frechet classifier distance of each pair, which are handed in as
functions, and against what chance gives: the distances after images of the same class have changed places between the
parts at random. (A stratified split has equal classes by construction, which random halves would not have.)

    report = compare_parts({"train": (logits, labels), "validation": ..., "test": ...}, score=..., distance=..., seed=0)
    report.sentence()   # 'no difference shown between validation and test images: ...'

Source of the test: Pitman 1937 (permutation); Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests", ICLR.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.floating]
Labels = NDArray[np.integer]
_N_PERMUTATIONS = 99
_SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class PartsDistance:
    """The Frechet classifier distance of two parts of a data set.

    Attributes:
        first: Name of one part.
        second: Name of the other.
        distance: In squared units of the logits, at least 0.
        by_chance: What parts whose images have changed places at random stay below 95 times of 100.
        p_value: Share of 99 such exchanges, and the parts themselves, that are at least as far apart.
    """

    first: str
    second: str
    distance: float
    by_chance: float
    p_value: float

    @property
    def is_shown(self) -> bool:
        """Whether the parts differ by more than chance."""
        return self.p_value <= _SIGNIFICANCE_LEVEL

    def __str__(self) -> str:
        return f"{self.distance:.3g} (by chance up to {self.by_chance:.3g}, p = {self.p_value:.2g})"


@dataclass(frozen=True, slots=True)
class PartsReport:
    """How alike the parts of a data set look to a classifier.

    Attributes:
        classifier: Name of the classifier.
        n_images: Images of each part.
        scores: Classifier score of each part, from 1 to the number of classes.
        distances: Of each pair of parts.
        test_share_unlike: Share of test images that lie farther from the training images than 99 % of the validation
            images: about 0.01 where validation looks like test. None where that was not measured.
    """

    classifier: str
    n_images: int
    scores: Mapping[str, float]
    distances: tuple[PartsDistance, ...]
    test_share_unlike: float | None

    def as_dict(self) -> dict[str, float]:
        """Return the numbers flat, under names that JSON and MLflow accept."""
        numbers = {f"classifier_score_{part}": score for part, score in self.scores.items()}
        for each in self.distances:
            name = f"frechet_classifier_distance_{each.first}_{each.second}"
            numbers |= {name: each.distance, f"{name}_by_chance": each.by_chance, f"{name}_p_value": each.p_value}
        share = self.test_share_unlike
        return numbers if share is None else numbers | {"test_share_unlike_training": share}

    def sentence(self) -> str:
        """Return whether validation looks like test, in one sentence without its full stop."""
        between = {(each.first, each.second): each for each in self.distances}
        judged = between["validation", "test"]
        verdict = (
            "validation images differ from test images"
            if judged.is_shown
            else ("no difference shown between validation and test images")
        )
        scores = ", ".join(f"{part} {score:.2f}" for part, score in self.scores.items())
        unlike = ""
        if self.test_share_unlike is not None:
            share = f"{100 * self.test_share_unlike:.1f} %"
            unlike = f"; {share} of the test images look unlike the training images (of the validation images 1 %)"
        return (
            f"{verdict} as {self.classifier} sees them: Frechet classifier distance {judged}, train to test "
            f"{between['train', 'test']}; classifier score {scores} ({self.n_images} images each){unlike}"
        )


def compare_parts(
    parts: Mapping[str, tuple[Logits, Labels]],
    *,
    classifier: str,
    score: Callable[[Logits], float],
    distance: Callable[[Logits, Logits], float],
    test_share_unlike: float | None,
    seed: int,
) -> PartsReport:
    """Return how alike the parts look.

    Args:
        parts: What the classifier returns for the images of each part, shape (images, classes), and their true
            classes; as many images in every part, because a Frechet distance is larger for fewer images.
        classifier: Its name.
        score: Classifier score of logits.
        distance: Frechet classifier distance of two arrays of logits.
        test_share_unlike: As in `PartsReport`.
        seed: Of the random exchanges, at least 0.

    Raises:
        ValueError: If the parts have different sizes.
    """
    sizes = {name: len(logits) for name, (logits, _) in parts.items()}
    if len(set(sizes.values())) != 1:
        raise ValueError(f"Every part needs as many images, but got {sizes}.")
    rng = np.random.default_rng(seed)
    pairs = itertools.combinations(parts, 2)
    return PartsReport(
        classifier=classifier,
        n_images=next(iter(sizes.values())),
        scores={name: score(logits) for name, (logits, _) in parts.items()},
        distances=tuple(_measured((one, two), parts, distance, rng) for one, two in pairs),
        test_share_unlike=test_share_unlike,
    )


@dataclass(frozen=True, slots=True)
class OwnImagesReport:
    """How alike somebody's own images and training images of the same predicted classes look to a classifier.

    Attributes:
        classifier: Name of the classifier.
        n_images: Own images that were compared, and as many training images.
        own_score: Classifier score of the own images, from 1 to the number of classes.
        training_score: That of the training images.
        between: The distance of the two.
    """

    classifier: str
    n_images: int
    own_score: float
    training_score: float
    between: PartsDistance

    def sentence(self) -> str:
        """Return whether the own images look like the training images, in one sentence without its full stop."""
        verdict = "the images differ from" if self.between.is_shown else "no difference shown between the images and"
        return (
            f"{verdict} training images of the same classes as {self.classifier} sees them: Frechet classifier "
            f"distance {self.between}; classifier score {self.own_score:.2f}, of the training images "
            f"{self.training_score:.2f} ({self.n_images} images each)"
        )


def compare_with_training(
    own: Logits,
    training: Logits,
    *,
    classifier: str,
    score: Callable[[Logits], float],
    distance: Callable[[Logits, Logits], float],
    seed: int,
) -> OwnImagesReport:
    """Compare somebody's own images, whose classes nobody has told, with as many training images.

    Ten sevens are no sample of all digits, however well they are drawn: so each own image is compared with a training
    image that the classifier takes for the same class, as far as there are any.

    Args:
        own: What the classifier returns for the own images, shape (images, classes), at least one.
        training: What it returns for training images, shape (images, classes).
        classifier: Its name.
        score: Classifier score of logits.
        distance: Frechet classifier distance of two arrays of logits.
        seed: Of the choice and of the random exchanges, at least 0.
    """
    rng = np.random.default_rng(seed)
    own, training = own[rng.permutation(len(own))], training[rng.permutation(len(training))]
    of_own, of_training = own.argmax(axis=1), training.argmax(axis=1)
    n_each = {c: min((of_own == c).sum(), (of_training == c).sum()) for c in np.unique(of_own)}
    rows = [np.flatnonzero(of_own == c)[:n] for c, n in n_each.items()]
    others = [np.flatnonzero(of_training == c)[:n] for c, n in n_each.items()]
    mine, theirs = own[np.concatenate(rows)], training[np.concatenate(others)]
    parts = {"own": (mine, mine.argmax(axis=1)), "training": (theirs, theirs.argmax(axis=1))}
    between = _measured(("own", "training"), parts, distance, rng)
    return OwnImagesReport(classifier, len(mine), score(mine), score(theirs), between)


def _measured(
    pair: tuple[str, str],
    parts: Mapping[str, tuple[Logits, Labels]],
    distance: Callable[[Logits, Logits], float],
    rng: np.random.Generator,
) -> PartsDistance:
    (one, of_one), (two, of_two) = (parts[name] for name in pair)
    pooled, labels, n = np.concatenate([one, two]), np.concatenate([of_one, of_two]), len(one)
    shuffles = (pooled[_within_classes(labels, rng)] for _ in range(_N_PERMUTATIONS))
    chance = np.array([distance(shuffled[:n], shuffled[n:]) for shuffled in shuffles])
    found = distance(one, two)
    n_as_far = int((chance >= found).sum())
    return PartsDistance(
        *pair, max(0.0, found), float(np.percentile(chance, 95)), (1 + n_as_far) / (1 + _N_PERMUTATIONS)
    )


def _within_classes(labels: Labels, rng: np.random.Generator) -> NDArray[np.intp]:
    """A random order in which each place holds an example of the class that it held before."""
    order = np.empty(len(labels), np.intp)
    order[np.argsort(labels, kind="stable")] = np.lexsort((rng.random(len(labels)), labels))
    return order
