"""A search from beginning to end: what happens in which order.

    check everything -> [decide -> train -> diagnose -> record -> mirror]* -> compare on the test set -> export

Nothing is written before everything was checked; from then on every step can be killed and done again.
"""

from __future__ import annotations

import time

import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from tuning.console import SearchView
from tuning.data import Dataset
from tuning.finish import finish, notes, recorded_result
from tuning.opening import Search, open_search
from tuning.settings import Settings
from tuning.strategy.policy import Stop
from tuning.study_store import n_counted
from tuning.trial_run import TrialRunner
from tuning.workers import Worker

# Weights of so many configurations stay on disk: repeats may still change which is the best.
_N_KEPT = 5


def run_search(settings: Settings, dataset: Dataset) -> None:
    """Run or resume a search and print its result.

    Args:
        settings: Checked settings.
        dataset: The data, its test set still sealed.

    Raises:
        SearchError: For bad input or unusable surroundings, before anything is written.
        KeyboardInterrupt: On Ctrl-C; the study can be resumed.
    """
    begun = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = open_search(settings, dataset)
    try:
        with SearchView(settings.goal, settings.n_trials, settings.max_epochs, quiet=settings.quiet) as view:
            _say_facts(search, view)
            stop_reason = _run_trials(search, view, begun)
            text = _result(search, view, stop_reason, begun)
    except KeyboardInterrupt:
        print(f"\nInterrupted. Resume with: python -m tuning.search --study {settings.study}")
        raise
    view.result(text)
    view.say(f"See every trial: mlflow ui  (in {settings.root})")


def _result(search: Search, view: SearchView, stop_reason: str, begun: float) -> str:
    if not _complete(search.study):
        return f"Nothing to compare: {stop_reason}, and no trial gave a value."
    recorded = recorded_result(search)
    if recorded is not None:
        return recorded
    view.say("\nComparing the tuned model with the others on the test set ...")
    return finish(search, stop_reason, begun)


def _run_trials(search: Search, view: SearchView, begun: float) -> str:
    """Run trials until the budget is used up, the time is over, or nothing is left to try; returns which."""
    settings, study = search.settings, search.study
    runner = TrialRunner(study, search.space, search.dataset, search.engine, settings, search.weights, Worker.this())
    view.resume(n_counted(study))
    while True:
        if n_counted(study) >= settings.n_trials:
            return f"its budget of {settings.n_trials} trials is used up"
        if settings.timeout_secs is not None and time.monotonic() - begun > settings.timeout_secs:
            return f"its time of {settings.timeout_secs:g} s is over"
        action = search.sampler.next_action(study)
        if isinstance(action, Stop):
            return action.reason
        try:
            number = runner.run(view)
        finally:
            _mirror_latest(search, view)
        view.ended(study.get_trials(deepcopy=False)[number], _best(study))
        search.weights.clean(search.sampler.ranking(study)[:_N_KEPT])


def _mirror_latest(search: Search, view: SearchView) -> None:
    latest = search.study.get_trials(deepcopy=False)[-1]
    if latest.state.is_finished() and (trouble := search.mirror.trial(latest.number)):
        view.say(f"   note: {trouble} The search goes on; what is missing is sent at its end.")


def _say_facts(search: Search, view: SearchView) -> None:
    dataset, settings = search.dataset, search.settings
    sizes = f"{len(dataset.train.labels)} train, {len(dataset.validation.labels)} validation"
    view.say(f"study {settings.study}: {settings.goal.direction} {settings.goal.name}")
    view.say(f"data {dataset.name} ({dataset.source}): {sizes}, {dataset.test.n_examples} test (sealed)")
    for note in notes(search):
        view.say(f"note: {note}")


def _complete(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _best(study: Study) -> FrozenTrial | None:
    return study.best_trial if _complete(study) else None
