"""The sampler in real Optuna studies with cheap objectives: resuming, workers, enqueued, foreign and failing trials."""

import copy
import math
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import optuna
import pytest
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from search_spaces import mlp_space
from tuning import OverfitBackoffSampler
from tuning.memo import Memo
from tuning.trial_attrs import CROSSED_BORDER, DECISION, FIT_STATE, OUTCOME, VALUE_STDERR, decision_of, seed_index

MLP = mlp_space()
DISTRIBUTIONS = MLP.distributions()


@pytest.fixture(params=["memory", pytest.param("journal", marks=pytest.mark.slow)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> BaseStorage:
    """Both kinds of storage that the strategy must not be able to tell apart."""
    if request.param == "memory":
        return InMemoryStorage()
    return JournalStorage(JournalFileBackend(str(tmp_path / "journal.log")))


@pytest.fixture(autouse=True)
def quiet() -> None:
    """Optuna logs every trial."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_in(storage: BaseStorage | None = None, **options: object) -> optuna.Study:
    """Return the study of this storage, with a sampler that has never seen it."""
    sampler = OverfitBackoffSampler(MLP, seed=3, monitor="val_loss")
    return optuna.create_study(storage=storage, sampler=sampler, study_name="s", load_if_exists=True, **options)  # type: ignore[arg-type]


def loss_of(params: dict[str, Any]) -> float:
    """A bowl with its bottom at 512 units, 3 layers, dropout 0.3 and L2 1e-5."""
    l2 = math.log10(params["l2"]) if params["l2"] else -7.5
    loss: float = (
        1.0
        + (math.log2(params["units"]) - 9.0) ** 2 / 9
        + (params["layers"] - 3) ** 2 / 16
        + (params["dropout"] - 0.3) ** 2
        + (l2 + 5.0) ** 2 / 30
        + math.log10(params["learning_rate_scale"]) ** 2
    )
    return loss


def tell_next(study: optuna.Study, sign: float = 1.0) -> FrozenTrial:
    """Run one trial: networks below 512 units are under the border, those of 2048 diverge."""
    trial = study.ask(DISTRIBUTIONS)
    value = loss_of(trial.params)
    trial.set_user_attr(VALUE_STDERR, 0.02)
    trial.set_user_attr(FIT_STATE, "fit" if trial.params["units"] < 512 else "overfit_confidence")
    trial.set_user_attr(CROSSED_BORDER, trial.params["units"] >= 512)
    if trial.params["units"] == 2048:
        trial.set_user_attr(OUTCOME, "diverged")
        return study.tell(trial, state=TrialState.FAIL)
    return study.tell(trial, sign * value)


def kill_next(study: optuna.Study) -> None:
    """Ask for a trial that is killed before it ends, and noticed later."""
    trial = study.ask(DISTRIBUTIONS)
    trial.set_user_attr(OUTCOME, "killed")
    study.tell(trial, state=TrialState.FAIL)


def story(study: optuna.Study) -> list[tuple[dict[str, Any], float | None, str]]:
    """Parameters, value and reason of every trial but the killed ones."""
    lived = [trial for trial in study.trials if trial.user_attrs.get(OUTCOME) != "killed"]
    return [(trial.params, trial.value, decision_of(trial)["reason"]) for trial in lived]


def configurations(study: optuna.Study) -> list[tuple[Any, ...]]:
    """Configuration and seed index of all trials, killed ones left out: a declared repeat is another run."""
    lived = [trial for trial in study.trials if trial.user_attrs.get(OUTCOME) != "killed"]
    return [(*sorted(trial.params.items()), seed_index(trial)) for trial in lived]


def test_twenty_trials_are_seven_and_thirteen(storage: BaseStorage) -> None:
    """A resumed study ends with the same trials, values and reasons as one that was never interrupted."""
    whole, parts = study_in(), study_in(storage)
    for _ in range(20):
        tell_next(whole)
    for _ in range(7):
        tell_next(parts)
    resumed = study_in(storage)
    for _ in range(13):
        tell_next(resumed)
    assert story(whole) == story(resumed)
    assert 20 == len(set(configurations(whole)))


def test_killed_trials_change_nothing(storage: BaseStorage) -> None:
    """Killed at the start, in phase 1, twice in a row, late: what lives is the same."""
    whole, disturbed = study_in(), study_in(storage)
    for number in range(20):
        tell_next(whole)
        for _ in range({0: 1, 1: 1, 5: 2, 16: 1}.get(number, 0)):
            kill_next(disturbed)
        tell_next(disturbed)
    assert 25 == len(disturbed.trials)
    assert story(whole) == story(disturbed)


def test_a_maximized_objective_mirrors_the_minimized_one() -> None:
    """The same configurations for a loss and for its negative."""
    minimized, maximized = study_in(), study_in(direction="maximize")
    for _ in range(15):
        tell_next(minimized)
        tell_next(maximized, sign=-1.0)
    assert configurations(minimized) == configurations(maximized)
    moves = [[decision_of(trial)["move"] for trial in study.trials] for study in (minimized, maximized)]
    assert moves[0] == moves[1]


def test_the_decision_is_published_with_its_reason(storage: BaseStorage) -> None:
    """Other workers see what is taken before the trial has its parameters; people see why."""
    study = study_in(storage)
    tell_next(study)
    study.ask(DISTRIBUTIONS)
    start, running = study.get_trials(deepcopy=False)
    assert {
        "phase": "cross the border",
        "move": "start",
        "base": None,
        "reason": "the first network should be big enough to overfit",
        "seed_index": 0,
        "params": MLP.start(),
    } == decision_of(start)
    assert TrialState.RUNNING is running.state
    assert running.params == decision_of(running)["params"]


def test_running_trials_are_not_proposed_again(storage: BaseStorage) -> None:
    """Four workers ask before any of them tells, and again later."""
    study = study_in(storage)
    for _ in range(6):
        running = [study.ask(DISTRIBUTIONS) for _ in range(4)]
        for trial in reversed(running):
            study.tell(trial, loss_of(trial.params))
    assert 24 == len(set(configurations(study)))


def test_of_two_workers_that_decide_at_the_same_moment_one_decides_again() -> None:
    """The other one decided, published and went on between this one's decision and its publication."""

    class Interleaved(InMemoryStorage):
        def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:  # noqa: ANN401
            if key == DECISION and len(study.trials) == 1:
                study.ask(DISTRIBUTIONS)
            super().set_trial_system_attr(trial_id, key, value)

    study = study_in(Interleaved())
    study.ask(DISTRIBUTIONS)
    assert 2 == len(set(configurations(study)))


def test_workers_that_decide_at_the_same_moment_have_a_configuration_each() -> None:
    """All have decided before the first one publishes, and each then takes its time."""
    n_workers, rng = 4, np.random.default_rng(0)
    decided, pauses_secs = threading.Barrier(n_workers), rng.uniform(0.0, 0.03, 1000).tolist()

    class Slow(InMemoryStorage):
        published: ClassVar[set[int]] = set()

        def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:  # noqa: ANN401
            if key == DECISION and trial_id not in self.published:
                self.published.add(trial_id)
                decided.wait(10)
            time.sleep(pauses_secs.pop())
            super().set_trial_system_attr(trial_id, key, value)

        def set_trial_param(self, *args: Any) -> None:  # noqa: ANN401
            time.sleep(pauses_secs.pop())
            super().set_trial_param(*args)

    study = study_in(Slow())
    with ThreadPoolExecutor(n_workers) as workers:
        list(workers.map(lambda _: study.ask(DISTRIBUTIONS), range(n_workers)))
    assert n_workers == len(set(configurations(study)))


@pytest.mark.parametrize("is_timed", [True, False], ids=["timed", "not timed"])
def test_only_a_search_with_a_limit_of_time_knows_how_long_trials_took(storage: BaseStorage, is_timed: bool) -> None:
    """Also of trials that it was asked about before their end was written down; without a limit no clock decides."""
    study, memo = study_in(storage), Memo(is_timed=is_timed)
    trial = study.ask(DISTRIBUTIONS)
    ended = copy.copy(study.trials[0])
    ended.state, ended.values = TrialState.COMPLETE, [1.0]
    assert [None] == [record.secs for record in memo.history([ended], MLP, maximize=False).finished]
    study.tell(trial, 1.0)
    (record,) = memo.history(study.get_trials(deepcopy=False), MLP, maximize=False).finished
    assert is_timed == (record.secs is not None)


def test_enqueued_trials_are_respected_and_never_proposed_again(storage: BaseStorage) -> None:
    """A whole configuration that the strategy would propose anyway: it goes round it."""
    study = study_in(storage)
    study.enqueue_trial({**MLP.start(), "units": 512})
    study.enqueue_trial({**MLP.start(), "units": 512, "dropout": 0.2})
    for _ in range(12):
        tell_next(study)
    assert [0.0, 0.2] == [trial.params["dropout"] for trial in study.trials[:2]]
    assert [512, 512] == [trial.params["units"] for trial in study.trials[:2]]
    assert 12 == len(set(configurations(study)))


def test_a_trial_enqueued_in_part_is_completed_without_repeating_another() -> None:
    """Ten trials of 64 units: the other levers have to differ."""
    study = study_in()
    for _ in range(10):
        study.enqueue_trial({"units": 64})
    for _ in range(14):
        tell_next(study)
    assert [64] * 10 == [trial.params["units"] for trial in study.trials[:10]]
    assert 14 == len(set(configurations(study)))
    assert "enqueued" in {decision_of(trial)["move"] for trial in study.trials[:10]}
    assert decision_of(study.trials[0])["params"] == study.trials[0].params


def test_foreign_trials_are_evidence() -> None:
    """Trials of another sampler in the same space are known points, and the best of them is gone on from."""
    study = study_in()
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    for _ in range(8):
        trial = study.ask(DISTRIBUTIONS)
        study.tell(trial, loss_of(trial.params))
    study.sampler = OverfitBackoffSampler(MLP)
    for _ in range(12):
        trial = study.ask(DISTRIBUTIONS)
        study.tell(trial, loss_of(trial.params))
    own_trials = configurations(study)[8:]
    assert 12 == len(set(own_trials))
    assert study.best_trial.number >= 8
    own = [MLP.point(trial.params) for trial in study.trials[8:]]
    assert own == [MLP.snap(point) for point in own]


@pytest.mark.parametrize(
    "params", [{"units": 4096, "layers": 2}, {"units": 256}, {"colour": "blue"}], ids=["outside", "missing", "other"]
)
def test_trials_that_are_no_points_of_the_space_are_left_out(params: dict[str, Any]) -> None:
    """The search begins as if they were not there."""
    study = study_in()
    distribution: dict[str, Any] = {"colour": optuna.distributions.CategoricalDistribution(["blue", "red"])}
    distribution |= {name: optuna.distributions.IntDistribution(1, 5000) for name in ("units", "layers")}
    used = {name: distribution[name] for name in params}
    study.add_trial(optuna.trial.create_trial(params=params, distributions=used, value=0.0))
    assert MLP.start() == study.ask(DISTRIBUTIONS).params


def test_a_standard_error_that_is_none_does_not_end_the_study() -> None:
    """What a diverged training leaves behind is not a number."""
    study = study_in()
    for stderr in (math.nan, math.inf, -1.0):
        trial = study.ask(DISTRIBUTIONS)
        trial.set_user_attr(VALUE_STDERR, stderr)
        study.tell(trial, loss_of(trial.params))
    assert 3 == len(set(configurations(study)))


@pytest.mark.parametrize("ending", [math.inf, None], ids=["infinite value", "pruned"])
def test_trials_without_a_finite_value_lead_on(ending: float | None) -> None:
    """A value that is not finite is a divergence, a pruned one a strong loss."""
    study = study_in()
    tell_next(study)
    for _ in range(5):
        trial = study.ask(DISTRIBUTIONS)
        state = TrialState.PRUNED if ending is None else TrialState.COMPLETE
        study.tell(trial, ending, state=state)
    assert 6 == len(set(configurations(study)))


def batch_sizes(study: optuna.Study, n_trials: int, *, killed_before: int = -1) -> list[int]:
    """Run trials with a parameter that the space does not know."""
    for number in range(n_trials):
        for is_killed in [True] * (number == killed_before) + [False]:
            trial = study.ask(DISTRIBUTIONS)
            trial.suggest_int("batch_size", 1, 10**6)
            if is_killed:
                trial.set_user_attr(OUTCOME, "killed")
                study.tell(trial, state=TrialState.FAIL)
            else:
                study.tell(trial, loss_of(trial.params))
    lived = [trial for trial in study.trials if trial.state is TrialState.COMPLETE]
    return [trial.params["batch_size"] for trial in lived]


def test_a_parameter_outside_the_space_is_seeded_and_resumes_exactly(storage: BaseStorage) -> None:
    """Random, different each time, and the same again after a kill and in a new process."""
    whole = batch_sizes(study_in(), 8)
    batch_sizes(study_in(storage), 3, killed_before=1)
    assert whole == batch_sizes(study_in(storage), 5, killed_before=2)
    assert 8 == len(set(whole))


def test_workers_draw_different_values_for_a_parameter_outside_the_space() -> None:
    """Both run at once, with the same trials behind them."""
    study = study_in()
    running = [study.ask(DISTRIBUTIONS) for _ in range(2)]
    assert running[0].suggest_float("momentum", 0, 1) != running[1].suggest_float("momentum", 0, 1)


def test_more_than_one_objective_is_refused() -> None:
    """A back-off needs one value to judge a move by."""
    study = study_in(directions=["minimize", "minimize"])
    with pytest.raises(ValueError, match="multi-objective"):
        study.ask(DISTRIBUTIONS)


def test_the_best_mean_leads_and_not_the_luckiest_run() -> None:
    """Dropout 0.2 has one lucky run and a bad repeat: the start, the same twice, is ranked before it."""
    study = study_in()
    lucky = iter([0.5, 9.0])
    for _ in range(4):
        trial = study.ask(DISTRIBUTIONS)
        study.tell(trial, next(lucky) if trial.params["dropout"] == 0.2 else 1.0 + 0.01 * seed_index(trial))
    sampler = OverfitBackoffSampler(MLP, seed=3)
    assert [0.0, 0.2, 0.0, 0.2] == [trial.params["dropout"] for trial in study.trials]
    assert study.best_trial.number == 1
    assert [0, 1] == sampler.ranking(study)
    leader = sampler.leader(study)
    assert leader is not None
    assert MLP.start_point() == leader.configuration.point


def median_secs(sampler: OverfitBackoffSampler, n_trials: int) -> float:
    """The median duration of a suggestion after so many random trials."""
    study = study_in()
    distributions = MLP.distributions()
    rng = np.random.default_rng(0)
    for _ in range(n_trials):
        params = MLP.params(tuple(float(rng.choice(lever.grid())) for lever in MLP.levers))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=loss_of(params)))
    study.sampler, durations_secs = sampler, []
    for _ in range(9):
        begun = time.thread_time()
        study.ask(DISTRIBUTIONS)
        durations_secs.append(time.thread_time() - begun)
    return statistics.median(durations_secs)


@pytest.mark.parametrize(
    ("use_model", "n_trials", "limit_secs"),
    [(False, 100, 0.020), (True, 100, 0.300), pytest.param(True, 10_000, 0.100, marks=pytest.mark.slow)],
    ids=["direction", "model", "long history"],
)
def test_a_suggestion_takes_milliseconds(use_model: bool, n_trials: int, limit_secs: float) -> None:
    """A median, threefold for a slow machine: a search must not feel its own history."""
    assert median_secs(OverfitBackoffSampler(MLP, use_model=use_model), n_trials) < 3 * limit_secs
