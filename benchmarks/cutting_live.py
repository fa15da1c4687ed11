"""Would a trial that was pruned have won? A study with the product's own engine; then what it pruned, to the end.

    python -m benchmarks.cutting_live --data mnist5k --trials 20 --seed 0

Runs in a temporary folder, without the comparison at a study's end. Prints one line a pruned trial, and a sum.
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import click
import optuna
from optuna.trial import FrozenTrial, TrialState

from benchmarks.engine_study import EngineStudy
from models.mlp import build_mlp
from search_spaces import learning_rate, mlp_space
from tuning.data import load_dataset
from tuning.engine.training import TrainedModel, TrainingPlan
from tuning.sampler import OverfitBackoffSampler
from tuning.settings import OBJECTIVES, Settings
from tuning.trial_attrs import OUTCOME_REASON
from tuning.trial_run import input_format


@dataclass(frozen=True)
class Completed:
    """A pruned trial beside its training to the end; values to be minimised."""

    trial: FrozenTrial
    best_before: float
    value: float
    n_epochs: int
    epoch_secs: float

    @property
    def saved_secs(self) -> float:
        """What pruning it saved."""
        return self.epoch_secs * (self.n_epochs - len(self.trial.intermediate_values))

    def __str__(self) -> str:
        cut = len(self.trial.intermediate_values)
        would = "WOULD HAVE WON" if self.value < self.best_before else "would not have won"
        return (
            f"trial {self.trial.number} {self.trial.params}: pruned at epoch {cut}, ends after {self.n_epochs} at "
            f"{self.value:.4f} against {self.best_before:.4f}: {would}\n    {self.trial.user_attrs[OUTCOME_REASON]}"
        )


def to_the_end(search: EngineStudy, trial: FrozenTrial) -> Completed:
    """Train a pruned trial's configuration again, with the same seed and no pruner."""
    settings, sign = search.settings, -1.0 if search.settings.goal.maximize else 1.0
    params = trial.params
    rate = learning_rate(params["units"], params["learning_rate_scale"])
    plan = TrainingPlan(rate, settings.seed, settings.max_epochs, settings.goal.metric)
    model = build_mlp(params, input_format(search.dataset), search.dataset.n_classes, settings.seed)
    trained = search.engine.train(model, plan)
    before = [t for t in search.study.trials[: trial.number] if t.state is TrialState.COMPLETE]
    value = sign * settings.goal.value(getattr(trained.best, settings.goal.metric))
    best_before = min(sign * float(t.value or 0.0) for t in before)
    return Completed(trial, best_before, value, len(trained.epochs), _epoch_secs(trained))


def _epoch_secs(trained: TrainedModel) -> float:
    """Seconds of an epoch after the first, which may include tracing."""
    return (trained.train_secs - trained.first_epoch_secs) / max(len(trained.epochs) - 1, 1)


@click.command()
@click.option("--data", default="mnist5k", show_default=True)
@click.option("--objective", type=click.Choice(list(OBJECTIVES)), default="val_loss", show_default=True)
@click.option("--trials", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(data: str, objective: str, trials: int, seed: int) -> None:
    """Run the study, then its pruned trials to the end."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), "live", data, trials, seed=seed, objective=objective)
        sampler = OverfitBackoffSampler(mlp_space(), seed, objective, n_trials=trials)
        dataset = load_dataset(data, seed=seed, environ=os.environ)
        search = EngineStudy(dataset, settings, sampler, math.inf)
        search.run_trials(sampler)
        took_secs = search.elapsed_secs
        pruned = search.study.get_trials(states=(TrialState.PRUNED,))
        completed = [to_the_end(search, trial) for trial in pruned]
        for each in completed:
            print(each)
        n_wrong = sum(each.value < each.best_before for each in completed)
        saved_secs = sum(each.saved_secs for each in completed)
        best = search.study.best_value
        print(
            f"{data}, {objective}, seed {seed}: {len(pruned)} of {len(search.study.trials)} trials pruned, {n_wrong} "
            f"would have won; {saved_secs:.1f} s saved, the search took {took_secs:.1f} s; best {best:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
