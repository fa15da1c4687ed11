"""Which model is searched, and what goes wrong on the way to it."""

from pathlib import Path

import pytest

from search_spaces import Role
from tuning.errors import SettingsError
from tuning.model_choice import choose_model, roles_of, space_of_file, takes_hp


@pytest.mark.parametrize(
    ("shape", "name"), [((28, 28), "mlp"), ((8, 8), "mlp"), ((32, 32, 3), "mlp"), ((30,), "tabular")]
)
def test_the_data_chooses_the_family(shape: tuple[int, ...], name: str, tmp_path: Path) -> None:
    """Features take the tabular one; images stay what they were."""
    choice = choose_model(None, shape, folder=tmp_path)
    assert (name, name, False) == (choice.reference, choice.space.name, choice.is_own)


def test_an_unknown_model_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """And with the form of one's own."""
    with pytest.raises(SettingsError, match="one of mlp, cnn, tabular, or package.module:build, got 'resnet'"):
        choose_model("resnet", (28, 28), folder=tmp_path)
    with pytest.raises(SettingsError, match="`--space` belongs to a model of your own"):
        choose_model("cnn", (28, 28), space_file=tmp_path / "space.toml", folder=tmp_path)


def test_roles_are_corrected(tmp_path: Path) -> None:
    """Of any lever, by name."""
    roles = roles_of(("units=nuisance", "l2=none"))
    assert {"units": Role.NUISANCE, "l2": None} == roles
    choice = choose_model("mlp", (28, 28), roles=roles, folder=tmp_path)
    assert (Role.NUISANCE, None) == (choice.space.levers[0].role, choice.space.levers[3].role)
    assert "l2: no role, 1e-07 to 0.1 (log10 with a zero rung), from 0" == choice.levers()[3]


@pytest.mark.parametrize("wrong", ["units", "units=size"])
def test_a_wrong_role_is_told_with_the_known_ones(wrong: str, tmp_path: Path) -> None:
    """So is a lever that does not exist."""
    with pytest.raises(SettingsError, match=f"capacity, regularization, nuisance, none, got '{wrong}'"):
        roles_of((wrong,))
    with pytest.raises(SettingsError, match="there is no lever 'rate'; known: units, layers, dropout, l2"):
        choose_model(None, (28, 28), roles={"rate": None}, folder=tmp_path)


def test_a_space_file_is_told_by_its_name(tmp_path: Path) -> None:
    """Where it is not there, or describes no space."""
    with pytest.raises(SettingsError, match="cannot be read"):
        space_of_file(tmp_path / "none.toml")
    (tmp_path / "space.toml").write_text('[units]\nrole = "size"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"space.toml, line 2, lever 'units'"):
        space_of_file(tmp_path / "space.toml")


def test_a_parameter_called_hp_is_kerastuners() -> None:
    """Any other function takes a configuration."""
    assert takes_hp(lambda hp: None) and not takes_hp(lambda params: None)
