"""Several labels an example against scikit-learn and closed forms; intervals resample examples, not labels."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import accuracy_score, hamming_loss, log_loss

from tuning.evaluation.by_task import read_evaluation, scoring_of
from tuning.evaluation.labels import compare_labels, evaluate_labels, label_errors, label_losses, label_optimism
from tuning.evaluation.metrics import nll_per_example, yes_or_no
from tuning.evaluation.outcomes import PairedOutcomes, outcomes_of
from tuning.evaluation.serving import served, temperature_of
from tuning.task import Task

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (500, 4))
LABELS = (RNG.random((500, 4)) < expit(LOGITS)).astype(np.int64)


def test_losses_and_errors_are_those_of_scikit_learn() -> None:
    """Mean log loss over the labels, Hamming loss."""
    losses = [log_loss(LABELS[:, j], expit(LOGITS[:, j])) for j in range(4)]
    assert np.mean(losses) == pytest.approx(label_losses(LOGITS, LABELS).mean())
    assert hamming_loss(LABELS, LOGITS > 0) == pytest.approx(label_errors(LOGITS, LABELS).mean())


def test_evaluation_counts_labels_and_examples() -> None:
    """The accuracy is that of labels, the exact match that of examples; true probabilities need no temperature."""
    found = evaluate_labels(LOGITS, LABELS, validation_logits=LOGITS, validation_labels=LABELS)
    assert 1 - hamming_loss(LABELS, LOGITS > 0) == pytest.approx(found.accuracy)
    assert accuracy_score(LABELS, LOGITS > 0) == pytest.approx(found.exact_match)
    assert (500, pytest.approx(1.0, abs=0.15)) == (found.n_examples, found.temperature)
    assert [head for head, _ in found.cells()][:2] == ["labels right %", "all right %"]


def test_intervals_resample_examples() -> None:
    """Four copies of one label are no more evidence than the label once."""
    logits, labels = LOGITS[:, :1], LABELS[:, :1]
    once = evaluate_labels(logits, labels, validation_logits=logits, validation_labels=labels)
    copies = np.repeat(logits, 4, axis=1), np.repeat(labels, 4, axis=1)
    often = evaluate_labels(*copies, validation_logits=copies[0], validation_labels=copies[1])
    assert once.accuracy_interval == often.accuracy_interval
    reports = [scoring_of(Task.MULTILABEL).report(x, y, (x, y), 0) for x, y in ((logits, labels), copies)]
    assert (reports[0].gain_interval.low, reports[0].gain_interval.high) == pytest.approx(
        (reports[1].gain_interval.low, reports[1].gain_interval.high)
    )


def test_paired_test_is_about_whole_examples_and_the_interval_about_labels() -> None:
    """One model is the other with the first label turned on half of the examples."""
    spoiled = LOGITS.copy()
    spoiled[::2, 0] *= -1
    paired = compare_labels(LOGITS, spoiled, LABELS, model_temperature=1.0, baseline_temperature=1.0, seed=0)
    right, rival = ((each > 0) == LABELS for each in (LOGITS, spoiled))
    only = int((right.all(axis=1) & ~rival.all(axis=1)).sum())
    assert only == paired.only_model_right
    assert right.mean() - rival.mean() == pytest.approx(paired.accuracy_difference)
    sentence = paired.sentence("tuned", "hand-made")
    assert sentence.startswith("tuned is better than hand-made: accuracy of labels +")
    assert f"with all labels alone right {only} against" in sentence


def test_optimism_of_the_same_examples_is_none() -> None:
    """And of spoiled ones it is shown."""
    none = label_optimism(LOGITS, LABELS, LOGITS, LABELS, seed=0)
    assert (0.0, True) == (none.accuracy_drop, none.nll_rise_interval.holds(0.0))
    spoiled = label_optimism(LOGITS, LABELS, -LOGITS, LABELS, seed=0)
    assert spoiled.accuracy_drop_interval.low > 0
    assert spoiled.sentence("the model").startswith("selection optimism for the model: ")


def test_one_logit_has_every_number_of_two() -> None:
    """A binary network is judged as the softmax over 0 and its logit."""
    scoring, one, labels = scoring_of(Task.BINARY), LOGITS[:, :1], LABELS[:, 0]
    two = np.concatenate([np.zeros_like(one), one], axis=1)
    scores = scoring.scores(one, labels)
    np.testing.assert_array_equal(two, scores)
    np.testing.assert_allclose(nll_per_example(two, labels), scoring.losses(scores, labels))
    np.testing.assert_allclose(served(one, 2.0, Task.BINARY)[:, 0], served(two, 2.0, Task.MULTICLASS)[:, 1])
    assert temperature_of(one, labels, Task.BINARY) == temperature_of(two, labels, Task.MULTICLASS)


@pytest.mark.parametrize("task", Task)
def test_every_task_can_be_judged_kept_and_read_back(task: Task) -> None:
    """What finals, exports and the registry ask of a task, on one set of outputs."""
    values = task is Task.REGRESSION
    outputs = LOGITS[:, :1] if task is Task.BINARY else LOGITS
    by_task = {Task.MULTICLASS: LOGITS.argmax(axis=1), Task.BINARY: LABELS[:, 0], Task.MULTILABEL: LABELS}
    labels = by_task.get(task, LOGITS + RNG.normal(size=LOGITS.shape))
    scoring = scoring_of(task, np.ones(4) if values else None)
    scores = scoring.scores(outputs, labels)
    evaluation = scoring.evaluate(scores, labels, scores, labels)
    plain = {name: getattr(evaluation, name) for name in evaluation.__dataclass_fields__}
    plain |= {name: {"low": each.low, "high": each.high} for name, each in plain.items() if hasattr(each, "low")}
    assert evaluation == read_evaluation({**plain, "sentences": []})
    kept = outcomes_of(scoring, scores, labels, evaluation.temperature, "0")
    assert evaluation.served_loss == pytest.approx(kept.loss, rel=1e-5)
    assert (0 if values else 500) == len(kept.is_wrong)
    sentence = PairedOutcomes.of(kept, kept, seed=0).sentence("one", "other")
    assert sentence.startswith("no difference shown between one and other: loss +0.0000")
    assert values != ("accuracy" in sentence)
    assert scoring.compare(scores, scores, labels, temperatures=(1.0, 1.0), seed=0).sentence("a", "b").startswith("no ")
    assert scoring.calibrated_loss(scores, labels) <= scoring.losses(scores, labels).mean() + 1e-12


def test_arrays_that_do_not_belong_together_are_refused() -> None:
    """Labels of another shape."""
    with pytest.raises(ValueError, match=r"one shape .*\(500, 4\), \(500,\)"):
        label_losses(LOGITS, LABELS[:, 0])
    assert (2000, 2) == yes_or_no(LOGITS).shape
