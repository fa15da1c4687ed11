"""What a study that was disturbed has become: its trials in Optuna and in MLflow, beside those of one that was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import optuna
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from tuning.settings import Settings
from tuning.storages import open_storage
from tuning.strategy.records import Outcome
from tuning.study_store import close_killed
from tuning.tracking.mirror import PLACE, Place, open_mirror
from tuning.trial_attrs import OUTCOME_REASON, decision_of, outcome_of, seed_index
from tuning.workers import Worker

Story = list[tuple[object, ...]]


def ended_trials(settings: Settings) -> list[FrozenTrial]:
    """The finished trials of a study, read from its storage; none before there is one."""
    storage = open_storage(settings.storage, settings.study_dir)
    try:
        trials = optuna.load_study(study_name=settings.study, storage=storage).trials
    except KeyError:
        return []
    finally:
        backend = getattr(storage, "_backend", None)
        if isinstance(backend, RDBStorage):
            backend.remove_session()
            backend.engine.dispose()  # no connection may be shared with the next search
    return [trial for trial in trials if trial.state.is_finished()]


def story(trials: Sequence[FrozenTrial]) -> Story:
    """What must not depend on disturbances."""
    return [
        (trial.params, seed_index(trial), trial.value, decision_of(trial)["reason"], trial.user_attrs.get("curves"))
        for trial in trials
        if outcome_of(trial).counts
    ]


def difference(calm: Sequence[FrozenTrial], hit: Sequence[FrozenTrial]) -> str:
    """Where two studies differ first; empty if they do not."""
    expected, actual = story(calm), story(hit)
    for number, (one, other) in enumerate(zip(expected, actual, strict=False)):
        if one != other:
            ends = [(trial.number, outcome_of(trial).value, trial.user_attrs.get(OUTCOME_REASON)) for trial in hit]
            return f"counted trial {number}: {one[:4]} became {other[:4]}; {ends}"
    return "" if len(expected) == len(actual) else f"{len(actual)} counted trials instead of {len(expected)}"


def doubled(trials: Sequence[FrozenTrial], runs: Sequence[Run]) -> list[str]:
    """Trials that are there more than once: the same run in the study, or two runs of one trial in MLflow."""
    counted = (trial for trial in trials if outcome_of(trial).counts)
    in_study = Counter(f"{trial.params}, seed {seed_index(trial)}" for trial in counted)
    in_mlflow = Counter(run.info.run_name for run in runs)
    return [f"{what} is there {n} times" for what, n in (*in_study.items(), *in_mlflow.items()) if n > 1]


def tried_again(trials: Sequence[FrozenTrial]) -> tuple[int, int]:
    """How many killed trials had a whole configuration, and how many of these were tried again."""
    n_params = max((len(trial.params) for trial in trials), default=0)  # they are written one after the other
    whole = [trial for trial in trials if len(trial.params) == n_params]
    killed = [trial for trial in whole if outcome_of(trial) is Outcome.KILLED]
    later = {trial.number: (trial.params, seed_index(trial)) for trial in trials}
    again = [
        any(number > trial.number and run == later[trial.number] for number, run in later.items()) for trial in killed
    ]
    return len(killed), sum(again)


# A configuration whose worker is killed three times, by chance, is taken for too large: a failure like any other.
_STATUS = {Outcome.COMPLETE: "FINISHED", Outcome.KILLED: "KILLED", Outcome.PRUNED: "KILLED"}


def mismatches(trials: Sequence[FrozenTrial], runs: Sequence[Run]) -> list[str]:
    """What MLflow does not show as it is; a trial that was killed is KILLED there, and nothing is left running."""
    status = {run.info.run_name: run.info.status for run in runs}
    wrong = []
    for trial in trials:
        shown = status.get(f"trial-{trial.number}")
        if shown != _STATUS.get(outcome_of(trial), "FAILED"):
            wrong.append(f"MLflow shows trial {trial.number} ({outcome_of(trial).value}) as {shown}")
    killed = (trial for trial in trials if not outcome_of(trial).counts)
    unsaid = [trial.number for trial in killed if OUTCOME_REASON not in trial.user_attrs]
    return wrong + [f"trial {number} does not say why it was killed" for number in unsaid]


def runs_of(settings: Settings) -> list[Run]:
    """The trials in MLflow, after what was missing there has been sent, as `tuning.sync` does."""
    storage = open_storage(settings.storage, settings.study_dir)
    study = optuna.load_study(study_name=settings.study, storage=storage)
    close_killed(study, Worker.this())
    mirror = open_mirror(study, Place(**study.user_attrs[PLACE]), settings.goal, settings.root)
    mirror.catch_up()
    client = MlflowClient(settings.tracking_uri or f"sqlite:///{settings.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(settings.experiment)
    return list(client.search_runs([experiment.experiment_id], "tags.kind = 'trial'", max_results=5000))
