"""How a study ends: by itself when nothing is left, not while trials run or wait, and what whoever asks on is given."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, Trial

from search_spaces import Lever, Role, Scale, SearchSpace, mlp_space
from tuning import OverfitBackoffSampler
from tuning.strategy.actions import REPEAT, Stop, Suggest
from tuning.trial_attrs import decision_of, seed_index

MLP = mlp_space()
TINY = SearchSpace(
    "tiny",
    (
        Lever("width", Role.CAPACITY, 1, 3, Scale.INTEGER, step=1.0, start=2),
        Lever("noise", Role.REGULARIZATION, 0.0, 1.0, Scale.LINEAR, step=0.5, start=0.0),
    ),
)


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Optuna logs every trial."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_of(space: SearchSpace) -> optuna.Study:
    """Return an empty study in memory."""
    return optuna.create_study(sampler=OverfitBackoffSampler(space, seed=3))


def configurations(study: optuna.Study) -> list[tuple[Any, ...]]:
    """Configuration and seed index of all trials; one that runs may not have all of its parameters yet."""
    return [(*sorted(trial.params.items()), seed_index(trial)) for trial in study.trials]


def bowl(params: dict[str, Any]) -> float:
    """An objective of `TINY` without noise."""
    return 1.0 + abs(params["width"] - 2) + abs(params["noise"] - 0.5)


def broken(params: dict[str, Any]) -> float:
    """An objective that cannot run."""
    raise OSError


def suggesting(space: SearchSpace, loss: Callable[[dict[str, Any]], float]) -> Callable[[Trial], float]:
    """Return an objective in Optuna's words: suggest every lever, then the loss."""

    def objective(trial: Trial) -> float:
        for name, distribution in space.distributions().items():
            trial._suggest(name, distribution)
        return loss(trial.params)

    return objective


def test_parallel_threads_never_try_a_configuration_twice() -> None:
    """`n_jobs` threads share one sampler."""
    study = study_of(MLP)
    study.optimize(suggesting(MLP, lambda p: abs(p["layers"] - 3) + p["dropout"]), n_trials=12, n_jobs=3)
    assert 12 == len(set(configurations(study)))


@pytest.mark.parametrize("has_ended", [False, True])
@pytest.mark.parametrize("move", ["poll", REPEAT])
def test_what_another_worker_decided_meanwhile_is_decided_anew(
    move: str, has_ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between our decision and its publication another worker decides the same, and its trial may even have ended."""
    storage, pauses = InMemoryStorage(), []
    ours, theirs = (
        optuna.create_study(
            study_name="both", storage=storage, sampler=OverfitBackoffSampler(TINY, seed=3), load_if_exists=True
        )
        for _ in range(2)
    )
    sampler = ours.sampler
    assert isinstance(sampler, OverfitBackoffSampler)
    while not (isinstance(action := sampler.next_action(ours), Suggest) and action.move == move):
        ours.tell(trial := ours.ask(TINY.distributions()), bowl(trial.params))
    publish, others = sampler._publish, []

    def publish_too_late(study: optuna.Study, trial: FrozenTrial, decision: Suggest) -> None:
        if not others:
            others.append(theirs.ask(TINY.distributions()))
            if has_ended:
                theirs.tell(others[0], bowl(others[0].params))
        publish(study, trial, decision)

    monkeypatch.setattr(sampler, "_publish", publish_too_late)
    monkeypatch.setattr("tuning.sampler.time.sleep", pauses.append)
    trial = ours.ask(TINY.distributions())
    assert action.move == decision_of(theirs.trials[others[0].number])["move"]
    mine, other = (configurations(ours)[number] for number in (trial.number, others[0].number))
    assert mine != other
    assert [] == pauses  # the other one has begun: there is nothing to wait for


def test_a_study_ends_by_itself_when_nothing_is_left() -> None:
    """Nine configurations, and two repeats to see that there is no noise; `next_action` says why."""
    study = study_of(TINY)
    study.optimize(suggesting(TINY, bowl), n_trials=1000)
    assert len(study.trials) <= 11
    assert {"width": 2, "noise": 0.5} == study.best_params
    action = OverfitBackoffSampler(TINY).next_action(study)
    assert isinstance(action, Stop)
    assert "nothing left to try" in action.reason


@pytest.mark.parametrize(("direction", "sign"), [("minimize", 1.0), ("maximize", -1.0)])
def test_a_study_ends_at_its_target(direction: str, sign: float) -> None:
    """Named in the objective's own terms; the reason says what was reached."""
    sampler = OverfitBackoffSampler(MLP, monitor="value", target=sign * 0.65)
    study = optuna.create_study(sampler=sampler, direction=direction)
    study.optimize(suggesting(MLP, lambda p: sign * (1.0 - p["dropout"])), n_trials=50)
    assert len(study.trials) < 10
    assert study.best_value * sign <= 0.65
    action = sampler.next_action(study)
    assert isinstance(action, Stop)
    assert action.reason.startswith("its target was reached: value ")
    assert study.best_trial.number == sampler.ranking(study)[0]


def test_a_target_that_is_no_number_is_refused() -> None:
    """Nothing would ever reach it."""
    with pytest.raises(ValueError, match="`target` must be a finite number, got nan"):
        OverfitBackoffSampler(MLP, target=float("nan"))


def test_on_request_a_study_looks_for_the_smallest_network_in_the_end() -> None:
    """A tenth of its trials; what they find is told beside the leader."""
    sampler = OverfitBackoffSampler(TINY, n_trials=8, shrink=0.2, n_seeds=1)
    study = optuna.create_study(sampler=sampler)
    study.optimize(suggesting(TINY, lambda p: 1.0 - 0.05 * p["width"] + abs(p["noise"] - 0.5)), n_trials=8)
    leader, smaller = sampler.leader(study), sampler.smallest(study)
    assert leader is not None
    assert smaller is not None
    assert {"width": 3, "noise": 0.5} == TINY.params(leader.configuration.point)
    assert {"width": 1, "noise": 0.5} == TINY.params(smaller.configuration.point)
    assert sampler.smallest(study, margin=0.01) is None


def test_a_study_in_which_everything_fails_ends_by_itself() -> None:
    """Optuna would go on to the end of the budget."""

    study = study_of(MLP)
    study.optimize(suggesting(MLP, broken), n_trials=1000, catch=(OSError,))
    assert len(study.trials) <= 6


def test_a_study_does_not_end_while_another_worker_runs_a_trial() -> None:
    """What it brings may open new ways, and `study.stop` would end all threads."""

    study = study_of(MLP)
    study.ask(MLP.distributions())
    study.optimize(suggesting(MLP, broken), n_trials=15, catch=(OSError,))
    assert 16 == len(set(configurations(study)))


def test_a_study_with_enqueued_trials_left_does_not_end() -> None:
    """The user asked for them."""
    study = study_of(TINY)
    for width in (1, 2, 3):
        for noise in (0.0, 0.5, 1.0):
            study.enqueue_trial({"width": width, "noise": noise})
    study.optimize(suggesting(TINY, lambda p: 1.0), n_trials=1000)
    assert 9 == len(study.trials)


def test_whoever_asks_on_gets_every_untried_configuration_and_then_declared_repeats() -> None:
    """An untried one while there is one; then the best again, with another seed each time, and it says so."""
    study = study_of(TINY)
    for _ in range(13):
        trial = study.ask(TINY.distributions())
        study.tell(trial, 1.0 + trial.params["noise"] + abs(trial.params["width"] - 2))
    assert 13 == len(set(configurations(study)))
    assert 9 == len({tuple(trial.params.values()) for trial in study.trials})
    last = study.trials[-1]
    assert ("repeat", {"width": 2, "noise": 0.0}) == (decision_of(last)["move"], last.params)
    assert "no configuration is left" in decision_of(last)["reason"]


def test_a_waiting_enqueued_trial_is_not_proposed_meanwhile() -> None:
    """Another worker will take it from the queue."""
    study = study_of(TINY)
    study.tell(study.ask(TINY.distributions()), 1.0)
    first = OverfitBackoffSampler(TINY).next_action(study)
    assert isinstance(first, Suggest)
    study.enqueue_trial(TINY.params(first.point))
    second = OverfitBackoffSampler(TINY).next_action(study)
    assert first.point != second.point  # type: ignore[union-attr]
