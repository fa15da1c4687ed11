"""Studies whose processes are killed with `kill -9` at random moments, beside one that nobody disturbed.

    python -m benchmarks.kills                                          # all forms: some twelve minutes on one core
    python -m benchmarks.kills --form sqlite --form clock --kills 5 --trials 12

Every 0.1 to 1.5 seconds, drawn anew each time, either the process that holds the study or one of its workers is killed
(never three workers in a row: a configuration that costs three is not tried again, by rule); a search that has ended is
started again, until it ends by itself. In some forms what the search needs goes away meanwhile and comes back: the
database or MLflow's server (both killed), room on the disk (a small file system fills up), the right time.

Counted are trials *lost* (ended once, and missing or changed later) and *doubled* (in the study or in MLflow), killed
ones that were tried *again*, and whether MLflow shows each as it is. With one worker, configurations, seeds, values,
reasons and curves have to be those of the undisturbed study, to the bit; with more, the order of ends decides.

The search is the real one, on scikit-learn's digits. In `training` its trials are, too, and all that follows them; in
the other forms workers make up a value within 0.15 s (see `disturbed_search`). Exit code 1 if anything is wrong.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
from optuna.trial import FrozenTrial

from benchmarks.disturbed_search import Disturbance, ForkedSearch, run
from benchmarks.disturbed_study import difference, doubled, ended_trials, mismatches, runs_of, tried_again
from benchmarks.surroundings import Place, place
from tuning import cli
from tuning.data import load_dataset
from tuning.settings import Settings
from tuning.trial_attrs import outcome_of


@dataclass(frozen=True)
class Form:
    """One kind of disturbed study.

    Args:
        place: As in `surroundings`.
        n_workers: Of each search.
        n_searches: Processes that hold the study at the same time, each as if on a machine of its own.
        kills: Share of the kills that are asked for.
        others: How often what else happens, with 20 kills.
        is_light: Whether workers make up their results.
        epoch_secs: Of these.
        in_parts: Whether the study is first run to 7 trials, and then to its end.
    """

    place: str = "journal"
    n_workers: int = 1
    n_searches: int = 1
    kills: float = 1.0
    others: Mapping[str, int] = field(default_factory=dict)
    is_light: bool = True
    epoch_secs: float = 0.01
    in_parts: bool = False


FORMS = {
    "journal": Form(),
    "journal, 2 workers": Form(n_workers=2),
    "sqlite": Form("sqlite"),
    "sqlite, 2 workers": Form("sqlite", n_workers=2),
    "postgresql": Form("postgresql", others={"outage": 4}),
    "postgresql, 2 x 2 workers": Form("postgresql", n_workers=2, n_searches=2, others={"outage": 2}),
    "mlflow-server": Form("mlflow-server", kills=0.25, others={"outage": 3}, epoch_secs=0.1),
    "full-disk": Form("full-disk", kills=0.25, others={"outage": 5}),
    "full-disk-sqlite": Form("full-disk-sqlite", kills=0.25, others={"outage": 5}),
    "clock": Form(kills=0.5, others={"jump": 20}),
    "parts": Form(kills=0, in_parts=True),
    "training": Form(kills=0.5, is_light=False),
    "training, parts": Form(kills=0, is_light=False, in_parts=True),
}
_N_KILLS = 20
_N_FIRST = 7  # trials of the first part
_EPOCHS = {True: 10, False: 3}
_HEAD = "form | trials | kills: study | worker | others | searches | lost | doubled | again | identical | seconds"


def searches(form: Form, folder: Path, there: Place, n_trials: int) -> list[ForkedSearch]:
    """The searches of a form, each in a folder of its own."""
    dataset, found = load_dataset("digits", seed=0, environ=os.environ), []
    for number in range(form.n_searches):
        root = folder / f"search-{number}"
        root.mkdir(parents=True)
        settings = Settings(
            root,
            "killed",
            "digits",
            n_trials,
            max_epochs=_EPOCHS[form.is_light],
            n_workers=form.n_workers,
            storage=there.storage,
            tracking_uri=there.tracking_uri,
            quiet=True,
        )
        found.append(ForkedSearch(settings, dataset, form.epoch_secs if form.is_light else None))
    return found


def undisturbed(form: Form, folder: Path, n_trials: int) -> list[FrozenTrial]:
    """The trials of a study of the form's kind that nobody disturbed."""
    (search,) = searches(replace(form, n_workers=1, n_searches=1), folder, Place(), n_trials)
    run([search], Disturbance(random.Random(0), {}))
    return ended_trials(search.settings)


@dataclass(frozen=True)
class Verdict:
    """What came of a disturbed study.

    Args:
        row: Of the table.
        wrong: What should not be, a sentence each.
        done: What was done to it.
    """

    row: str
    wrong: Sequence[str]
    done: Counter[str]


def disturbed(name: str, calm: Sequence[FrozenTrial], folder: Path, seed: int, n_kills: int, n_trials: int) -> Verdict:
    """Disturb one study and look at what it has become."""
    form, begun = FORMS[name], time.monotonic()
    folder.mkdir()
    with place(form.place, folder) as there:
        planned = {"kill": round(form.kills * n_kills)}
        planned |= {what: max(1, round(n * n_kills / _N_KILLS)) for what, n in form.others.items()}
        disturbance = Disturbance(random.Random(f"{name} {seed}"), planned, there.needed)
        found = searches(form, folder, there, n_trials)
        if form.in_parts:
            part = replace(found[0], settings=replace(found[0].settings, n_trials=_N_FIRST))
            run([part], Disturbance(disturbance.rng, {}))
        n_started = run(found, disturbance)
        settings = found[0].settings
        trials, runs = ended_trials(settings), runs_of(settings)
    is_alone = form.n_workers * form.n_searches == 1
    differs = difference(calm, trials) if is_alone else ""
    twice, (n_killed, n_again) = doubled(trials, runs), tried_again(trials)
    wrong = [*twice, *mismatches(trials, runs), *([differs] if differs else [])]
    wrong += [f"{disturbance.n_lost} trials lost"] if disturbance.n_lost else []
    wrong += [f"{n_killed - n_again} killed trials were not tried again"] if is_alone and n_again < n_killed else []
    n_counted, done = sum(outcome_of(trial).counts for trial in trials), disturbance.done
    wrong += [f"{n_counted} trials instead of {n_trials}"] if n_counted > n_trials else []
    wrong += [f"a search ended by an error: {found[0].log.read_text()[-2000:]}"] if disturbance.ends[1] else []
    others = ", ".join(f"{done[what]} {what}s" for what in form.others) or "-"
    same = "not compared" if not is_alone else "no" if differs else "yes"
    row = (
        f"{name} | {n_counted} | {done['study']} | {done['worker']} | {others} | {n_started} | {disturbance.n_lost} | "
        f"{len(twice)} | {n_again} of {n_killed} | {same} | {time.monotonic() - begun:.0f}"
    )
    return Verdict(row, wrong, done)


@click.command()
@click.option("--form", "forms", type=click.Choice(list(FORMS)), multiple=True, help="All of them if none is named.")
@click.option(
    "--kills", "n_kills", default=_N_KILLS, show_default=True, help="In each study, or a share of it; the rest alike."
)
@click.option("--trials", "n_trials", default=40, show_default=True, help="Of each study; half as many in training.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
def main(forms: tuple[str, ...], n_kills: int, n_trials: int, seed: int) -> None:
    """Disturb studies, compare each with an undisturbed one, and print the table."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    verdicts, calm = [], dict[bool, list[FrozenTrial]]()
    print(f"| {_HEAD} |\n{'|---' * (_HEAD.count('|') + 1)}|", flush=True)
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        for number, name in enumerate(forms or FORMS):
            form, folder = FORMS[name], Path(temporary)
            n = n_trials if form.is_light else n_trials // 2
            if not form.is_light:
                cli.import_tensorflow()
                import tuning.worker_main  # noqa: F401 - what a worker needs
            if form.is_light not in calm:
                calm[form.is_light] = undisturbed(form, folder / f"calm-{form.is_light}", n)
            verdict = disturbed(name, calm[form.is_light], folder / str(number), seed, n_kills, n)
            print(f"| {verdict.row} |", *verdict.wrong, sep="\n   ", flush=True)
            verdicts.append(verdict)
    done = sum((verdict.done for verdict in verdicts), Counter[str]())
    is_wrong = any(verdict.wrong for verdict in verdicts)
    print(f"\n{done['study'] + done['worker']} kills; {'something is wrong' if is_wrong else 'nothing is wrong'}")
    sys.exit(is_wrong)


if __name__ == "__main__":
    main()
