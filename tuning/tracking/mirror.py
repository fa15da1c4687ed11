"""What MLflow is told, and when. Optuna is the source of truth, MLflow its mirror.

Trials can be read again from the Optuna study, and how the study ended from the file `mlflow.json` in its folder. So a
server that went away stops nothing: what is missing is sent as soon as it answers again, at the end of the search, when
the study is resumed, or by `python -m tuning.sync`; a run that is there already is not written twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from search_spaces import shown
from tuning.errors import StorageError
from tuning.masking import shown_url
from tuning.previews import write_previews
from tuning.result import SearchResult, write_json
from tuning.settings import PICTURES, Objective
from tuning.tracking.events import DatasetFacts, StudyEnd
from tuning.tracking.mirror_runs import model_run, model_summary, ms_of, trial_key, trial_run
from tuning.tracking.store import Store
from tuning.tracking.views import Links
from tuning.trial_attrs import decision_of

if TYPE_CHECKING:
    from tuning.tracking.tracker import Tracker

END_FILE = "mlflow.json"  # in the folder of a study: what MLflow is told at its end
PLACE = "mlflow"  # user attribute of a study: where and how it is mirrored

# A server that is away is asked again after so many times what asking took: at most 5 % of the search's time.
_PATIENCE = 20.0
_MIN_WAIT_SECS = 10.0

_SETTLE_EVERY = 100  # trials
_NEVER_MS = 2**53  # later than any trial

_PREVIEWS = "previews"  # small copies of the pictures, in the folder of a study
_LOCAL_UI = "http://127.0.0.1:5000"


@dataclass(frozen=True)
class Place:
    """Where and how a study is mirrored; all of it is kept in the study, so that it can be mirrored later.

    Args:
        tracking_uri: MLflow tracking URI; None for `mlflow.db` in the project's folder.
        experiment: MLflow experiment.
        objective: Name of the study's objective.
        greater_is_better: Whether that is maximized.
        params: Parameters of the parent run.
        levers: Names of the parameters that vary.
        dataset: The data set's facts, as plain data.
    """

    tracking_uri: str | None
    experiment: str
    objective: str
    greater_is_better: bool
    params: Mapping[str, Any]
    levers: Sequence[str]
    dataset: Mapping[str, Any]

    def store(self, root: Path) -> Store:
        """The place as MLflow needs it, below the project's folder."""
        uri = self.tracking_uri or f"sqlite:///{root / 'mlflow.db'}"
        return Store(uri, root / "mlruns", self.experiment, f"best_{self.objective}", self.greater_is_better)

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain data, but for user name and password."""
        return {**asdict(self), "tracking_uri": shown_url(self.tracking_uri) if self.tracking_uri else None}


@dataclass
class Mirror:
    """Mirrors a study into MLflow.

    Args:
        tracker: The study is open.
        study: Its trials.
        goal: Its objective.
        is_own: Whether a trial was run by this process, which then mirrors it.
        clock: Seconds; only differences count.
    """

    tracker: Tracker
    study: Study
    goal: Objective
    is_own: Callable[[FrozenTrial], bool] = lambda trial: True
    clock: Callable[[], float] = time.monotonic
    _is_away: bool = field(default=False, init=False)
    _ask_again: float = field(default=0.0, init=False)

    def trial(self, number: int) -> str:
        """Log one ended trial; returns what there is to say, because a missing mirror must not cost a trial.

        While the server is away, trials are not logged but caught up with when it answers again; it is asked seldom.
        """
        begun = self.clock()
        if self._is_away and begun < self._ask_again:
            return ""
        try:
            if self._is_away:
                self.catch_up(self.is_own)
            else:
                self._log(self.study.get_trials(deepcopy=False)[number])
                if (number + 1) % _SETTLE_EVERY == 0:
                    self.catch_up(self.is_own)
        except StorageError as error:
            return self._away(begun, error)
        was_away, self._is_away = self._is_away, False
        return "MLflow answers again: what was missing there has been sent." if was_away else ""

    def catch_up(self, which: Callable[[FrozenTrial], bool] = lambda trial: True) -> None:
        """Log every ended trial that is not there yet.

        Args:
            which: Of these alone. A trial of another living process is its to log: two would log it twice.
                Those that are known to be there (`Tracker.n_settled`) are not looked for.

        Raises:
            StorageError: If the store still cannot be reached.
        """
        trials, n_settled = self.study.get_trials(deepcopy=False), self.tracker.n_settled
        known = self.tracker.keys(_earliest_ms(trials[n_settled:]) if n_settled else None)
        self._settle(trials)
        for trial in trials[n_settled:]:
            if trial.state.is_finished() and trial_key(trial.number) not in known and which(trial):
                self._log(trial)

    def _settle(self, trials: Sequence[FrozenTrial]) -> None:
        """Note how far all trials have ended and were there at the last look.

        Not what was sent since: another search that started at the same moment may have sent it, too, and only the next
        look finds both.
        """
        n = self.tracker.n_settled
        while n < len(trials) and trials[n].state.is_finished() and self.tracker.has(trial_key(n)):
            n += 1
        self.tracker.settle(n)

    def finish(self, end: StudyEnd, folder: Path) -> Links:
        """Log what is missing, the compared models as sibling runs, and the result on the parent run.

        Raises:
            StorageError: If the store cannot be reached.
        """
        self.catch_up()
        return self.tracker.close_study(end, folder)

    def abandon(self, status: str) -> str:
        """End the parent run without a result; returns what went wrong."""
        try:
            self.catch_up(self.is_own)
            self.tracker.end(status)
        except StorageError as error:
            return str(error)
        return ""

    def _log(self, trial: FrozenTrial) -> None:
        trials = self.study.get_trials(deepcopy=False)
        base = decision_of(trial).get("base")
        self.tracker.log(trial_run(trial, self.goal, None if base is None else trials[base]))

    def _away(self, begun: float, error: StorageError) -> str:
        now = self.clock()
        self._ask_again = now + max(_MIN_WAIT_SECS, _PATIENCE * (now - begun))
        was_away, self._is_away = self._is_away, True
        return "" if was_away else f"{error} The search goes on; what is missing there is sent later."


def _earliest_ms(trials: Sequence[FrozenTrial]) -> int:
    """When the first of these trials began, by whichever clock: their runs say the same."""
    return min((ms_of(trial.datetime_start) for trial in trials if trial.datetime_start), default=_NEVER_MS)


def open_mirror(
    study: Study,
    place: Place,
    goal: Objective,
    root: Path,
    is_own: Callable[[FrozenTrial], bool] = lambda trial: True,
) -> Mirror:
    """Open a study's parent run in MLflow.

    Args:
        study: Its trials.
        place: Where and how.
        goal: The objective.
        root: The project's folder, absolute.
        is_own: Whether a trial was run by this process.

    Raises:
        StorageError: If the store cannot be reached or written.
    """
    from tuning.tracking.tracker import Tracker  # imports MLflow, which takes a second

    tracker = Tracker(place.store(root), study.study_name)
    facts = DatasetFacts(**place.dataset)
    tags = {"objective": place.objective}
    tracker.open_study(tags=tags, params=place.params, dataset=facts, levers=tuple(place.levers))
    return Mirror(tracker, study, goal, is_own)


def study_end(
    result: SearchResult, best: FrozenTrial, goal: Objective, note: str, files: Sequence[str], folder: Path
) -> StudyEnd:
    """What MLflow is told at the end of a study: that it ends now, with these files and all of its pictures.

    Args:
        result: Of the study.
        best: The trial that is shipped.
        goal: The objective.
        note: The report, in markdown.
        files: Names of files in `folder`.
        folder: Of the study.
    """
    now_ms = time.time_ns() // 1_000_000
    previews = write_previews(folder / PICTURES, folder / _PREVIEWS)
    tags = {"best_trial": str(best.number), "stop_reason": result.stop_reason}
    tags |= {f"best_{name}": shown(value) for name, value in best.params.items()}
    metrics = {
        f"best_{goal.name}": result.best_value,
        "n_trials": result.n_trials,
        **model_summary(result.tuned),
        **result.metrics(),
    }
    models = [model_run(model, result, best, goal, folder, now_ms) for model in result.models]
    return StudyEnd("FINISHED", metrics, tags, note, (*files, PICTURES, _PREVIEWS), models, previews)


def shown_links(links: Links, tracking_uri: str | None) -> str:
    """Where to see the study: at the server, or at the address of a plain `mlflow ui`."""
    is_server = tracking_uri is not None and tracking_uri.startswith(("http://", "https://"))
    there = links.absolute(shown_url(tracking_uri) if tracking_uri is not None and is_server else _LOCAL_UI)
    registered = f"\n  registered  {links.registered}" if links.registered else ""
    return (
        f"In MLflow{'' if is_server else ' (start it with: mlflow ui)'}:\n  the study   {there.report}\n"
        f"  its trials  {there.table}\n  its levers  {there.charts}\n  finalists   {there.comparison}"
        f"{registered}"
    )


def write_end(end: StudyEnd, folder: Path) -> None:
    """Keep the end of a study in its folder, until it is sent and after."""
    write_json(folder / END_FILE, end.as_dict())


def read_end(folder: Path) -> StudyEnd | None:
    """The end of a study as it was kept; None if there is none yet."""
    try:
        return StudyEnd.from_dict(json.loads((folder / END_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
