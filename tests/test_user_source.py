"""Whether two starts of a study mean the same model: what counts as a change of a user's source."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import click
import optuna
import pytest

import tuning
from search_spaces import mlp_space
from tuning.errors import StudyError
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import Settings
from tuning.study_store import FINGERPRINT, MODEL_SOURCE, open_study
from tuning.user_source import digest_of_module, digest_of_object

PROJECT = Path(tuning.__file__).parents[1]
MODEL = "import layers_of_mine\n\ndef build(params):\n    return layers_of_mine.width * 2\n"
OTHER_SPELLING = "import layers_of_mine\n\n\ndef build(params):  # doubled\n    return layers_of_mine.width * 2   \n"


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str | None]:
    """The digest of a model of two files, imported anew."""
    monkeypatch.syspath_prepend(tmp_path)

    def imported_anew(model: str, layers: str) -> str | None:
        for name, source in (("layers_of_mine", layers), ("model_of_mine", model)):
            (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.import_module("model_of_mine")
        return digest_of_module("model_of_mine", tmp_path)

    return imported_anew


def test_code_counts_and_its_spelling_does_not(digest: Callable[[str, str], str | None]) -> None:
    """Neither do comments; a module that the model imports from the same folder counts too."""
    first = digest(MODEL, "width = 8\n")
    assert first == digest(OTHER_SPELLING, "width = 8\n")
    assert first != digest(MODEL.replace("* 2", "* 3"), "width = 8\n")
    assert first != digest(MODEL, "width = 9\n")


def test_what_is_installed_or_this_projects_own_does_not_count() -> None:
    """A folder above it changes nothing: the module's own file alone counts."""
    installed, ours = Path(click.__file__).parents[1], PROJECT / "tuning"
    for module, above in (("click", installed), ("tuning.user_source", ours)):
        assert digest_of_module(module, above) == digest_of_module(module, PROJECT / "docs")


def test_an_object_without_a_module_has_the_source_of_its_function_or_class() -> None:
    """What was compiled elsewhere has none."""

    def first(params: object) -> int:
        return 1

    def second(params: object) -> int:
        return 2

    assert digest_of_object(first) != digest_of_object(second)
    assert digest_of_object(Settings) is not None
    assert digest_of_object(len) is None


def opened(root: Path, source: str | None, *, accept_source: bool = False, objective: str = "val_loss") -> optuna.Study:
    """Open the study `mine` of a model of a source."""
    fingerprint = {"objective": objective, "model": "mine:build", MODEL_SOURCE: source}
    settings = Settings(root, "mine", accept_source=accept_source)
    return open_study(settings, OverfitBackoffSampler(mlp_space()), fingerprint)


def test_a_changed_source_is_refused_with_both_ways_out(tmp_path: Path) -> None:
    """Unless the user accepts it, which is remembered; what else differs is refused all the same."""
    opened(tmp_path, "one")
    with pytest.raises(StudyError, match="source of mine:build has changed .* --study, or say with --accept-source"):
        opened(tmp_path, "two")
    with pytest.raises(StudyError, match="exists with objective val_loss instead of val_error"):
        opened(tmp_path, "two", accept_source=True, objective="val_error")
    assert "one" == opened(tmp_path, "one").user_attrs[FINGERPRINT][MODEL_SOURCE]
    opened(tmp_path, "two", accept_source=True)
    assert "two" == opened(tmp_path, "two").user_attrs[FINGERPRINT][MODEL_SOURCE]


def test_a_study_from_before_sources_were_written_down_goes_on(tmp_path: Path) -> None:
    """So does one of a model without a source."""
    study = opened(tmp_path, None)
    known = {key: value for key, value in study.user_attrs[FINGERPRINT].items() if key != MODEL_SOURCE}
    study.set_user_attr(FINGERPRINT, known)
    assert known == opened(tmp_path, "one").user_attrs[FINGERPRINT]
