"""What a process sees of the trials that others run: decisions and ends at once, signs of life after a while."""

from collections.abc import Iterator

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from tests import postgresql
from tuning.trial_attrs import DECISION, REASON
from tuning.trial_cache import TrialCache
from tuning.workers import BEAT, WORKER, Worker

HERE, ELSEWHERE = Worker("here", 1, 0.0), Worker("elsewhere", 1, 0.0)
LOOK_SECS = 10.0


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.secs = 100.0

    def __call__(self) -> float:
        """Seconds."""
        return self.secs


@pytest.fixture(scope="module")
def database() -> Iterator[RDBStorage]:
    """One for all tests: its tables take a moment."""
    with postgresql.closing(RDBStorage("sqlite://")) as storage:
        assert isinstance(storage, RDBStorage)
        yield storage


@pytest.fixture
def clock() -> Clock:
    """Of the process that looks."""
    return Clock()


@pytest.fixture
def ours(database: RDBStorage, clock: Clock) -> Study:
    """The study as this process sees it."""
    return optuna.create_study(storage=TrialCache(database, HERE, LOOK_SECS, clock))


@pytest.fixture
def theirs(ours: Study, database: RDBStorage) -> Study:
    """The same as another one sees it."""
    return optuna.load_study(study_name=ours.study_name, storage=TrialCache(database, ELSEWHERE))


def begun(study: Study, worker: Worker) -> Trial:
    """A trial that this worker trains."""
    trial = study.ask({"x": FloatDistribution(0, 1)})
    trial.set_user_attr(WORKER, worker.as_attr())
    trial.set_user_attr(REASON, "to see what happens")
    return trial


def last(study: Study) -> FrozenTrial:
    """The newest trial as a process sees it."""
    return study.get_trials(deepcopy=False)[-1]


def test_signs_of_life_of_another_worker_are_seen_after_a_while(ours: Study, theirs: Study, clock: Clock) -> None:
    """Until then its trial is the same object: it was not read again."""
    trial = begun(theirs, ELSEWHERE)
    seen = last(ours)
    trial.report(0.5, 1)
    trial.set_user_attr(BEAT, 1)
    clock.secs += LOOK_SECS - 1
    assert seen is last(ours)
    clock.secs += 1
    assert ({1: 0.5}, 1) == (last(ours).intermediate_values, last(ours).user_attrs[BEAT])


def test_the_end_of_another_workers_trial_is_seen_at_once(ours: Study, theirs: Study) -> None:
    """With all that was written before it, also where a new trial began meanwhile."""
    trial = begun(theirs, ELSEWHERE)
    assert TrialState.RUNNING is last(ours).state
    trial.set_user_attr("outcome", "complete")
    theirs.tell(trial, 0.25)
    begun(theirs, ELSEWHERE)
    ended, running = ours.get_trials(deepcopy=False)
    assert (TrialState.COMPLETE, 0.25, "complete") == (ended.state, ended.value, ended.user_attrs["outcome"])
    assert TrialState.RUNNING is running.state


def test_a_decision_is_seen_at_once_and_so_is_another_one_before_the_trial_begins(ours: Study, theirs: Study) -> None:
    """Two workers that decide at the same moment look at what the other one decided."""
    trial = theirs.ask()
    for point in (1, 2):
        theirs._storage.set_trial_system_attr(trial._trial_id, DECISION, point)
        assert point == last(ours).system_attrs[DECISION]


def test_trials_of_this_process_are_seen_as_they_are(ours: Study) -> None:
    """It judges their reports."""
    trial = begun(ours, HERE)
    for epoch in (1, 2):
        trial.report(0.5, epoch)
        assert epoch == last(ours).last_step


def test_an_enqueued_trial_that_begins_is_seen_at_once(ours: Study, theirs: Study) -> None:
    """It was there before."""
    theirs.enqueue_trial({"x": 0.5})
    assert TrialState.WAITING is last(ours).state
    begun(theirs, ELSEWHERE)
    assert (TrialState.RUNNING, {"x": 0.5}) == (last(ours).state, last(ours).params)


def test_a_study_that_is_not_there_is_an_error(ours: Study) -> None:
    """As in Optuna's own cache; ids may be given again."""
    assert [] == ours.trials
    optuna.delete_study(study_name=ours.study_name, storage=ours._storage)
    with pytest.raises(KeyError):
        _ = ours.trials
