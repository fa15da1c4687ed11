"""What passes between a study and the process in which KerasTuner searches for it: plain data, without TensorFlow.

-> Begun(params)        a trial of the tuner is about to be trained        <- its number, or None to end the search
-> EpochReport          an epoch of it is over
-> TrialEnd             how it ended                                       <- True: it is recorded, go on
-> None                 the search is over                                 <- TrialJob, answered by a TrialEnd ...
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from search_spaces import Params
from tuning.data import TrainingData
from tuning.model_choice import ModelChoice
from tuning.settings import Settings

HYPERBAND = "Hyperband"


@dataclass(frozen=True)
class Begun:
    """A trial of the tuner is about to be trained.

    Args:
        params: Its configuration.
        decision_secs: How long its choice took.
    """

    params: Params
    decision_secs: float


@dataclass(frozen=True)
class TunerTask:
    """What the process is to do.

    Args:
        kind: Class of KerasTuner: `BayesianOptimization`, `Hyperband` or `RandomSearch`.
        data: Train and validation part.
        settings: Of the study.
        model: What is searched.
        n_search: Trials, at most; None for no limit.
        folder: Of the study: KerasTuner's project and the weights are kept there.
        n_threads: Of TensorFlow, >= 1.
        is_searched: Whether the search is over, and nothing but the confirmation is left.
    """

    kind: str
    data: TrainingData
    settings: Settings
    model: ModelChoice
    n_search: int | None
    folder: Path
    n_threads: int
    is_searched: bool = False
