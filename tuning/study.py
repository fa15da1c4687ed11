"""A search from beginning to end: what happens in which order.

    check everything -> [decide -> train -> diagnose -> record -> mirror]* -> compare on the test set -> export

Nothing is written before everything was checked; from then on every step can be killed and done again.
"""

from __future__ import annotations

import time
from multiprocessing.context import BaseContext

import optuna
from optuna.exceptions import StorageInternalError

from tuning import garbage
from tuning.console import SearchView
from tuning.data import Dataset
from tuning.errors import StorageError, StudyError, is_disk_full
from tuning.finisher import left_to_another
from tuning.model_choice import ModelChoice
from tuning.opening import Search, notes, open_search
from tuning.search_loop import SearchLoop
from tuning.settings import Settings
from tuning.trial_attrs import OUTCOME_REASON, best_of


def run_search(
    settings: Settings, dataset: Dataset, context: BaseContext | None = None, model: ModelChoice | None = None
) -> Search:
    """Run or resume a search and print its result.

    Args:
        settings: Checked settings.
        dataset: The data, its test set still sealed.
        context: How worker processes are started; None for the best way of this system.
        model: What is searched; None for the model that the settings name.

    Returns:
        The search, whose study holds all trials; its result is in the study's folder.

    Raises:
        SearchError: For bad input or unusable surroundings, before anything is written; later if no trial gave a value,
            or the disk is full.
        KeyboardInterrupt: On Ctrl-C; the study can be resumed.
    """
    begun = time.monotonic()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with garbage.held_back():
            search = open_search(settings, dataset, context, model)
        with SearchView(settings.goal, settings.n_trials, settings.max_epochs, quiet=settings.quiet) as view:
            _say_facts(search, view)
            stop_reason = SearchLoop(search, view, begun).run()
            text = _result(search, view, stop_reason, begun)
    except KeyboardInterrupt:
        print(f"\nInterrupted. Resume with: python -m tuning.search --study {settings.study}")
        raise
    except (OSError, StorageInternalError) as error:
        if not is_disk_full(error):
            raise
        why = error if isinstance(error, OSError) else error.__cause__
        raise StorageError(f"The study stopped: {why}: make room, and resume it with the same command.") from error
    view.result(text)
    return search


def _result(search: Search, view: SearchView, stop_reason: str, begun: float) -> str:
    from tuning.finish import finish, recorded_result  # pictures and all: not before the first trial

    if best_of(search.study) is None:
        search.mirror.abandon("FAILED")
        raise _without_value(search, stop_reason)
    recorded = recorded_result(search)
    if recorded is not None:
        return recorded
    if elsewhere := left_to_another(search.study, search.sampler.ranking(search.study)[0], search.weights):
        return elsewhere
    view.say("\nComparing the tuned model with the others on the test set ...")
    return finish(search, stop_reason, begun)


def _without_value(search: Search, stop_reason: str) -> StudyError:
    """Nothing to compare, and what the last trial had to say about it: the user's own traceback, where it has one."""
    trials = search.study.get_trials(deepcopy=False)
    attrs = trials[-1].user_attrs if trials else {}
    last = f"; the last one: {attrs[OUTCOME_REASON]}" if attrs.get(OUTCOME_REASON) else ""
    why = f"No trial of the study {search.settings.study!r} gave a value ({stop_reason}{last})."
    return StudyError(why, attrs.get("traceback", ""))


def _say_facts(search: Search, view: SearchView) -> None:
    dataset, settings = search.dataset, search.settings
    sizes = f"{len(dataset.train.labels)} train, {len(dataset.validation.labels)} validation"
    view.say(f"study {settings.study}: {settings.goal.direction} {settings.goal.name}")
    view.say(f"data {dataset.name} ({dataset.source}): {sizes}, {dataset.test.n_examples} test (sealed)")
    if search.model.is_own or settings.roles:
        view.say(f"model {search.model.reference}: {len(search.space.levers)} levers")
        for line in search.model.levers():
            view.say(f"   {line}")
    for note in notes(search):
        view.say(f"note: {note}")
