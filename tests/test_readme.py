"""What the README and the guides show is what happens: their Python and their commands run, their files are there."""

import re
from pathlib import Path
from typing import Any

import pytest

import tuning
from tests.docs import run_guide

PROJECT = Path(tuning.__file__).parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_sampler_example_runs_and_finds_the_optimum() -> None:
    """The study of the example ends near width 300 and dropout 0.3."""
    (example,) = blocks("python")
    names: dict[str, Any] = {}
    exec(example, names)
    best = names["study"].best_params
    assert 0.2 <= best["dropout"] <= 0.4
    assert 250 <= best["width"] <= 370


def test_ci_types_the_test_command_to_the_letter() -> None:
    """The README's command for the tests stands in `.ci/run`."""
    (command,) = [block.strip() for block in blocks("console") if "pytest" in block]
    assert command in (PROJECT / ".ci" / "run").read_text(encoding="utf-8")


def test_every_file_of_the_layout_exists() -> None:
    """A file that moved takes its place in the README with it."""
    layout = README.split("## Layout")[1].split("```")[1]
    names = re.findall(r"[\w/]+\.py", layout)
    known = {
        path.name for package in ("tuning", "models", "search_spaces") for path in (PROJECT / package).rglob("*.py")
    }
    assert len(names) > 10
    assert [] == [name for name in names if Path(name).name not in known]
    folders = re.findall(r"^(\w+)/", layout, flags=re.MULTILINE)
    assert [] == [folder for folder in folders if not (PROJECT / folder).is_dir()]


@pytest.mark.slow
def test_bring_your_model(tmp_path: Path) -> None:
    """An own model, space and data by command, told and exported, fitted once more; and from Python."""
    by_command, told, fitted, from_python = run_guide("bring-your-model.md", tmp_path)
    assert "activation: no role, relu or tanh, from relu" in by_command
    assert " tuned " in by_command and " start " in by_command
    assert "trial 0" in told and "final fit 1 of 1: seed 0" in fitted
    assert "Exported: exports/from-python" in from_python


@pytest.mark.slow
def test_from_kerastuner(tmp_path: Path) -> None:
    """A hypermodel in one command; its levers are listed as the guide shows them."""
    printed, told, fitted = run_guide("from-kerastuner.md", tmp_path)
    (listed,) = blocks("text", (PROJECT / "docs" / "from-kerastuner.md").read_text(encoding="utf-8"))
    assert listed in printed
    assert " tuned " in printed
    assert "trial 0" in told and "final fit 1 of 1: seed 0" in fitted


@pytest.mark.slow
def test_from_optuna(tmp_path: Path) -> None:
    """The sampler, the diagnosis and the loss report, each on plain numbers."""
    _, diagnosis, loss = run_guide("from-optuna.md", tmp_path)
    assert diagnosis.startswith("overfit_confidence overfits in confidence")
    assert "loss" in loss


def test_the_scikit_learn_example_runs() -> None:
    """Shortened; whole, it is `python -m examples.sklearn_study`."""
    from examples.sklearn_study import run

    study = run(n_trials=3, n_iterations=5)
    assert (3, 64) == (len(study.trials), study.trials[0].params["width"])


@pytest.mark.slow
def test_the_pytorch_example_runs() -> None:
    """Where PyTorch is installed: its trials are diagnosed."""
    pytest.importorskip("torch")
    from examples.torch_study import run

    study = run(n_trials=2, n_epochs=2)
    assert all(trial.user_attrs["fit_state"] for trial in study.trials)
