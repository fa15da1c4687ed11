"""Whole searches on scripted objectives, as arguments, and what must hold whatever the objective does."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Lever, Params, Role, Scale, SearchSpace, mlp_space
from tuning.strategy.actions import REPEAT, Goal, Phase, Plan, Stop, Suggest
from tuning.strategy.diagnosis import FitState
from tuning.strategy.history import History
from tuning.strategy.policy import describe_change, leader_of, next_action
from tuning.strategy.records import Outcome, TrialRecord

MLP = mlp_space()
GOAL = Goal("val_loss")
DIRECTION_ALONE = Plan(n_seeds=1, use_model=False)
NOISY = SearchSpace(
    "noisy",
    (
        Lever("width", Role.CAPACITY, 2, 64, Scale.LOG2_INTEGER, step=1.0, start=8, first_step=1.0),
        Lever("noise", Role.REGULARIZATION, 0.0, 1.0, Scale.LINEAR, step=0.1, start=0.0, first_step=0.2),
    ),
)
BEST = MLP.point({"units": 512, "layers": 2, "dropout": 0.4, "l2": 1e-5, "learning_rate_scale": 1.0})


def bowl(params: Params) -> float:
    """A quadratic bowl with its lowest value, 1, at the best configuration."""
    spans = [lever.span for lever in MLP.levers]
    distances = [(x - best) / span for x, best, span in zip(MLP.point(params), BEST, spans, strict=True)]
    return 1.0 + 4.0 * sum(distance**2 for distance in distances)


def network(params: Params) -> dict[str, Any]:
    """A network that is under the border below 512 units, and over it until it is regularized."""
    if params["units"] < 512:
        return {"value": bowl(params), "stderr": 0.02, "state": FitState.FIT}
    state = FitState.OVERFIT_DECISIONS if params["dropout"] < 0.3 else FitState.CAPACITY_REACHED
    return {"value": bowl(params), "stderr": 0.02, "state": state, "crossed_border": True}


def value_only(params: Params) -> dict[str, Any]:
    """The same bowl for a study that diagnoses nothing."""
    return {"value": bowl(params)}


def test_a_search_is_an_argument(play: Callable[..., Any]) -> None:
    """Cross the border first, then regularize, and say each time what was seen and what follows."""
    search = play(network, MLP, n_trials=4)
    assert [Phase.CROSS_BORDER] * 2 + [Phase.BACK_OFF] * 2 == [s.phase for s in search.suggestions]
    assert ["start", "raise capacity", "poll", "keep going"] == search.moves
    assert [None, 0, 1, 2] == [s.base for s in search.suggestions]
    assert [
        "the first network should be big enough to overfit",
        "the network does not overfit yet (fit): raise capacity before any regularization",
        "the network is over the border (overfit decisions): back off from here; "
        "next: more regularization by dropout (dropout 0 -> 0.2)",
        "dropout 0 -> 0.2: val_loss 2.592 -> 1.842 (z = +59.29), strong gain, taken; "
        "next: more regularization by dropout (dropout 0.2 -> 0.5)",
    ] == [s.reason for s in search.suggestions]


@pytest.mark.parametrize("objective", [network, value_only])
def test_a_bowl_is_descended_within_twenty_trials(play: Callable[..., Any], objective: Callable[..., Any]) -> None:
    """From 2.6 at the border to a tenth of the distance; random search of twenty is at 1.6."""
    assert play(objective, MLP, n_trials=20).best.loss < 1.16


@pytest.mark.parametrize("objective", [network, value_only])
def test_a_search_ends_by_itself_at_the_bottom(play: Callable[..., Any], objective: Callable[..., Any]) -> None:
    """With its reason, within the noise of the lowest value, long before the space is used up."""
    search = play(objective, MLP, n_trials=120)
    assert Stop("nothing left to try: every neighbour of the best configuration was tried and none is better") == (
        search.stop
    )
    assert search.best.loss < 1.03


def test_an_overfitting_network_is_regularized_first(play: Callable[..., Any]) -> None:
    """Dropout, then L2, before any change of capacity."""
    flat = {"value": 1.0, "stderr": 0.1, "state": FitState.OVERFIT_CONFIDENCE, "crossed_border": True}
    search = play(lambda params: flat, MLP, n_trials=4)
    changed = [describe_change(MLP, MLP.start_point(), s.point) for s in search.suggestions[1:]]
    assert ["dropout 0 -> 0.2", "l2 0 -> 0.0001", "units 256 -> 128"] == changed


def test_an_underfitting_network_is_given_capacity_first(play: Callable[..., Any]) -> None:
    """Over the border once, but underfitting where the back-off stands."""
    flat = {"value": 1.0, "stderr": 0.1, "state": FitState.UNDERFIT, "crossed_border": True}
    search = play(lambda params: flat, MLP, n_trials=3)
    changed = [describe_change(MLP, MLP.start_point(), s.point) for s in search.suggestions[1:]]
    assert ["units 256 -> 512", "layers 2 -> 3"] == changed


def test_every_lever_has_one_poll_in_a_cycle(play: Callable[..., Any], forest_space: SearchSpace) -> None:
    """Where nothing reacts no lever is worn out: the next cycle comes back with smaller steps."""
    noise = replace(forest_space.levers[1], start=0.5)
    space = replace(forest_space, levers=(forest_space.levers[0], noise))
    values = iter([1.0, *[1.001] * 20])
    search = play(lambda params: {"value": next(values), "stderr": 0.1}, space, n_trials=5)
    changed = [describe_change(space, space.start_point(), s.point) for s in search.suggestions[1:]]
    assert ["noise 0.5 -> 0.7", "width 8 -> 16", "noise 0.5 -> 0.6", "width 8 -> 4"] == changed


def test_roles_alone_give_the_signs_in_a_space_never_seen(play: Callable[..., Any], forest_space: SearchSpace) -> None:
    """A forest of 32 wide trees with some noise is best: found in a dozen trials without knowing what a tree is."""

    def forest(params: Params) -> dict[str, Any]:
        width, noise = forest_space.point(params)
        overfits = noise < 0.3
        value = 1.0 + 0.1 * (width - 5.0) ** 2 + (noise - 0.4) ** 2
        state = FitState.OVERFIT_DECISIONS if overfits else FitState.FIT
        return {"value": value, "stderr": 0.01, "state": state, "crossed_border": overfits}

    search = play(forest, forest_space)
    first = [describe_change(forest_space, forest_space.start_point(), s.point) for s in search.suggestions[:2]]
    assert ["", "noise 0 -> 0.2"] == first
    assert {"width": 32, "noise": 0.4} == forest_space.params(search.best.point)
    assert len(search.trials) <= 20


def test_when_every_trial_fails_the_search_stops_with_the_reason(play: Callable[..., Any]) -> None:
    """A broken objective does not use up the budget."""
    search = play(lambda params: {"outcome": Outcome.FAILED}, MLP)
    assert Stop("no configuration could be trained") == search.stop
    assert len(search.trials) <= 6


def test_without_a_value_the_reason_names_the_outcome(play: Callable[..., Any]) -> None:
    """Divergence, memory, pruning and failure are told apart in the log."""

    def diverges_with_dropout(params: Params) -> dict[str, Any]:
        return {"outcome": Outcome.DIVERGED} if params["dropout"] else network(params)

    reason = play(diverges_with_dropout, MLP, n_trials=4).suggestions[-1].reason
    assert reason.startswith("dropout 0 -> 0.2: no value (diverged), the incumbent stays; next: ")


def test_with_everything_running_the_reason_says_so(forest_space: SearchSpace) -> None:
    """Another worker's results may open new ways, so nothing is claimed of the neighbours."""
    start = TrialRecord(0, forest_space.start_point(), value=1.0)
    grids = [lever.grid() for lever in forest_space.levers]
    points = [(width, noise) for width in grids[0] for noise in grids[1]]
    running = [TrialRecord(i, point, Outcome.RUNNING) for i, point in enumerate(points, 1)]
    action = next_action(History.of([start, *running]), forest_space, GOAL, DIRECTION_ALONE)
    assert Stop("nothing left to try until the running trials end") == action


def test_a_search_stops_at_its_target_and_ships_what_reached_it(play: Callable[..., Any]) -> None:
    """Without confirmation: the user wanted that value, and no better one."""
    plan = Plan(n_trials=40, use_model=False, target=1.5)
    search = play(network, MLP, 40, plan=plan)
    assert search.stop is not None
    assert search.stop.reason.startswith("its target was reached: val_loss 1.")
    assert search.stop.reason.endswith(", wanted 1.5")
    assert search.best is search.trials[-1]
    leader = leader_of(History.of(search.trials), plan)
    assert leader is not None
    assert search.best.number == leader.configuration.number


def test_a_target_is_named_in_the_objectives_own_terms() -> None:
    """An accuracy of 0.97 reached, 0.95 wanted."""
    history = History.of([TrialRecord(0, MLP.start_point(), value=-0.97)])
    action = next_action(history, MLP, Goal("val_accuracy", maximize=True), Plan(target=-0.95))
    assert Stop("its target was reached: val_accuracy 0.97, wanted 0.95") == action


def test_where_no_move_can_pay_the_search_stops_and_says_so() -> None:
    """One point is left, where the network is the widest: the model expects less than a fiftieth of the noise."""
    luck = [(i * 7 % 11 - 5) / 10 for i in range(65)]
    points = [(w, n) for w in range(1, 7) for n in range(11)][:-1]
    trials = [TrialRecord(i, (float(w), n / 10), value=10 + w + luck[i], stderr=0.5) for i, (w, n) in enumerate(points)]
    action = next_action(History.of(trials), NOISY, GOAL)
    assert isinstance(action, Stop)
    assert action.reason.startswith("no move can pay beyond the noise: the most that the model expects is 0.000 s")


def test_a_maximized_objective_is_shown_in_its_own_terms(play: Callable[..., Any]) -> None:
    """Losses inside, accuracies in the log; the decisions are the same."""
    goal = Goal("val_accuracy", maximize=True)
    negated = play(lambda p: {**network(p), "value": network(p)["value"] - 3.0}, MLP, 4, goal)
    assert "val_accuracy 0.4083 -> 1.158 (z = +59.29), strong gain" in negated.suggestions[-1].reason
    assert [s.point for s in play(network, MLP, 4).suggestions] == [s.point for s in negated.suggestions]


def test_up_to_two_polls_a_lever_run_in_parallel() -> None:
    """Every lever first, then every lever the other way, and each point once; at an edge with a shorter step."""
    start = MLP.point({"units": 64, "layers": 2, "dropout": 0.3, "l2": 1e-4, "learning_rate_scale": 1.0})
    trials = [TrialRecord(0, start, value=1.0, crossed_border=True, state=FitState.OVERFIT_CONFIDENCE)]
    moved = []
    for number in range(1, 1 + 2 * len(MLP.levers)):
        action = next_action(History.of(trials), MLP, Goal("val_loss"))
        assert isinstance(action, Suggest)
        trials.append(TrialRecord(number, action.point, Outcome.RUNNING, base=action.base))
        moved.append([(j, a > b) for j, (a, b) in enumerate(zip(action.point, start, strict=True)) if a != b])
    assert set(range(len(MLP.levers))) == {j for ((j, _),) in moved[: len(MLP.levers)]}
    assert 2 * len(MLP.levers) == len({each for (each,) in moved})


def test_other_workers_back_off_from_a_start_that_still_runs() -> None:
    """It was chosen to be over the border; each takes another lever, the regularizing ones first."""
    trials: list[TrialRecord] = []
    for number in range(4):
        action = next_action(History.of(trials), MLP, Goal("val_loss"))
        assert isinstance(action, Suggest)
        trials.append(TrialRecord(number, action.point, Outcome.RUNNING, base=action.base))
    assert [None, 0, 0, 0] == [trial.base for trial in trials]
    changes = [describe_change(MLP, trials[0].point, trial.point) for trial in trials[1:]]
    assert ["dropout 0 -> 0.2", "l2 0 -> 0.0001", "units 256 -> 512"] == changes


def test_a_worker_without_work_confirms_while_it_waits() -> None:
    """Nothing is left to try until the other trial ends: a finalist's repeat, which is due anyway, comes first."""
    space = SearchSpace("three", (Lever("width", Role.CAPACITY, 2, 8, Scale.LOG2_INTEGER, step=1.0, start=4),))
    trials = [TrialRecord(0, (2.0,), value=1.0), TrialRecord(1, (1.0,), value=1.1)]
    running = TrialRecord(2, (3.0,), Outcome.RUNNING)
    waiting = next_action(History.of([*trials, running]), space, GOAL, Plan(n_trials=20))
    assert isinstance(waiting, Suggest)
    assert (Phase.CONFIRM, (2.0,), 1) == (waiting.phase, waiting.point, waiting.seed_index)
    assert isinstance(next_action(History.of([*trials, running]), space, GOAL, Plan()), Stop)


def test_a_killed_trial_takes_no_point() -> None:
    """Finished and running configurations are taken; a killed one is tried again."""
    outcomes = (Outcome.FAILED, Outcome.RUNNING, Outcome.KILLED)
    history = History.of(TrialRecord(i, (float(i),), outcome) for i, outcome in enumerate(outcomes))
    assert {(0.0,), (1.0,)} == history.points
    assert {(1.0,)} == history.pending
    assert [0] == [trial.number for trial in history.finished]


def test_levers_that_differ_are_described_in_order() -> None:
    """In the values' own terms."""
    after = MLP.point({**MLP.start(), "units": 512, "dropout": 0.2})
    assert "units 256 -> 512, dropout 0 -> 0.2" == describe_change(MLP, MLP.start_point(), after)


ENDINGS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        dict,
        value=st.floats(-1e300, 1e300) | st.floats(0.1, 0.2),
        stderr=st.none() | st.floats(0, 1),
        state=st.none() | st.sampled_from(FitState),
        crossed_border=st.booleans(),
    ),
    st.builds(
        dict,
        outcome=st.sampled_from([Outcome.FAILED, Outcome.DIVERGED, Outcome.PRUNED, Outcome.OUT_OF_MEMORY]),
    ),
)
"""Whatever a trial may end with."""


def scripted(endings: list[dict[str, Any]]) -> Callable[[Params], dict[str, Any]]:
    """Return an objective that ends with each of these in turn, over and over, whatever the configuration."""
    count = iter(range(10**6))
    return lambda params: endings[next(count) % len(endings)]


PLANS = (
    pytest.param(DIRECTION_ALONE, id="direction alone"),
    pytest.param(Plan(n_seeds=2, n_trials=30), id="in full", marks=pytest.mark.slow),
)
"""Without and with repeats, model and confirmation."""


@pytest.mark.parametrize("plan", PLANS)
@settings(max_examples=4, deadline=None)
@given(st.lists(ENDINGS, min_size=1, max_size=60))
def test_no_run_is_proposed_twice_and_all_lies_on_the_grid(
    play: Callable[..., Any], plan: Plan, endings: list[dict[str, Any]]
) -> None:
    """Whatever their values and outcomes: a configuration comes again as a declared repeat with another seed only."""
    search = play(scripted(endings), MLP, 30, plan=plan)
    points = [suggestion.point for suggestion in search.suggestions]
    runs = [(suggestion.point, suggestion.seed_index) for suggestion in search.suggestions]
    assert len(runs) == len(set(runs))
    new = [suggestion.point for suggestion in search.suggestions if suggestion.move != REPEAT]
    assert len(new) == len(set(new))
    assert points == [MLP.point(MLP.params(point)) for point in points]
    assert points == [MLP.snap(point) for point in points]


@pytest.mark.parametrize("plan", PLANS)
@settings(max_examples=4, deadline=None)
@given(st.lists(ENDINGS, min_size=1, max_size=20), st.lists(st.integers(0, 20), max_size=5))
def test_killed_trials_leave_no_trace(
    play: Callable[..., Any], plan: Plan, endings: list[dict[str, Any]], places: list[int]
) -> None:
    """Inserted anywhere, they shift numbers and change neither points nor reasons."""
    search = play(scripted(endings), MLP, n_trials=20, plan=plan)
    for n_trials in range(len(search.suggestions)):
        shifted = with_killed(search.trials[:n_trials], places)
        action = next_action(History.of(shifted), MLP, GOAL, plan)
        suggestion = search.suggestions[n_trials]
        assert isinstance(action, Suggest)
        assert (suggestion.point, suggestion.move, suggestion.reason) == (action.point, action.move, action.reason)


def with_killed(trials: list[TrialRecord], places: list[int]) -> list[TrialRecord]:
    """Insert a killed trial before each of these numbers, and renumber all, bases too."""
    new_number = {trial.number: trial.number + sum(place <= trial.number for place in places) for trial in trials}
    kept = [
        replace(trial, number=new_number[trial.number], base=None if trial.base is None else new_number[trial.base])
        for trial in trials
    ]
    free = sorted(set(range(len(trials) + len(places))) - set(new_number.values()))
    return kept + [TrialRecord(number, MLP.start_point(), Outcome.KILLED) for number in free]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(ENDINGS, min_size=1, max_size=20), st.integers(1, 14))
def test_a_decision_is_a_function_of_the_history(
    play: Callable[..., Any], endings: list[dict[str, Any]], cut: int
) -> None:
    """The same trials, in whatever order they are read, give the same decision."""
    search = play(scripted(endings), MLP, n_trials=15)
    shuffled = search.trials[cut:] + search.trials[:cut]
    assert next_action(History.of(search.trials), MLP, GOAL) == next_action(History.of(shuffled), MLP, GOAL)
