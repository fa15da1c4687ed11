"""Phase 1 on scripted trials: climb until crossed, what follows a failure, and how it ends."""

from dataclasses import replace

import pytest

from search_spaces import Lever, Point, Role, Scale, SearchSpace, choice, mlp_space
from tuning.strategy.border import Climb, Crossing, Unreachable, cross_border
from tuning.strategy.configuration import Configuration
from tuning.strategy.diagnosis import FitState
from tuning.strategy.records import Outcome, TrialRecord

SPACE = mlp_space()
START = SPACE.start_point()


def at(**params: float) -> Point:
    """Return the start with some parameters changed."""
    return SPACE.point({**SPACE.start(), **params})


def fits(number: int, point: Point, value: float = 0.1) -> Configuration:
    """Return a network under the border."""
    return Configuration((TrialRecord(number, point, value=value, state=FitState.FIT),))


def overfits(number: int, point: Point, value: float = 0.1) -> Configuration:
    """Return a network over the border."""
    return Configuration(
        (TrialRecord(number, point, value=value, state=FitState.OVERFIT_CONFIDENCE, crossed_border=True),)
    )


def failed(number: int, point: Point, outcome: Outcome = Outcome.FAILED) -> Configuration:
    """Return a trial without a value."""
    return Configuration((TrialRecord(number, point, outcome),))


def climbed(*trials: Configuration, pending: frozenset[Point] = frozenset(), space: SearchSpace = SPACE) -> Climb:
    """Return the next experiment of phase 1, which must not be over."""
    step = cross_border(trials, space, pending)
    assert isinstance(step, Climb)
    return step


def whole_climb(space: SearchSpace = SPACE) -> list[Climb]:
    """Return the experiments of phase 1 where no network overfits and each is as good as the last one."""
    steps: list[Climb] = []
    trials: list[Configuration] = []
    while isinstance(step := cross_border(trials, space), Climb):
        trials.append(fits(len(trials), step.point))
        steps.append(step)
    return steps


def network(point: Point) -> tuple[float, float]:
    """Return the units and layers of a point."""
    params = SPACE.params(point)
    return float(params["units"]), float(params["layers"])


def crossed(*trials: Configuration) -> Crossing:
    """Return the end of phase 1, which must be over."""
    step = cross_border(trials, SPACE)
    assert isinstance(step, Crossing)
    return step


def test_it_begins_at_the_start() -> None:
    """The space's author chose it just over the border."""
    assert START == climbed().point


def test_a_network_under_the_border_is_given_capacity() -> None:
    """Units first, by an octave; the reason says what was seen."""
    step = climbed(fits(0, START))
    assert at(units=512) == step.point
    assert "does not overfit yet (fit)" in step.why


def test_the_ladder_doubles_its_steps() -> None:
    """One first step, two, four; layers follow where units are at their largest."""
    networks = [network(step.point) for step in whole_climb()]
    assert [(256, 2), (512, 2), (2048, 2), (2048, 3), (2048, 5)] == networks


def test_levers_that_differ_by_a_number_rise_together() -> None:
    """Six levers far below the border, as a hypermodel's defaults are: a quarter of the range, three quarters, all."""
    levers = [Lever(f"filters_{i}", Role.CAPACITY, 0, 32, Scale.INTEGER, step=4.0, start=0) for i in range(6)]
    space = SearchSpace("deep", tuple(levers))
    assert [(x,) * 6 for x in (0.0, 8.0, 24.0, 32.0)] == [step.point for step in whole_climb(space)]


def test_a_layer_that_the_climb_adds_is_as_wide_as_the_others() -> None:
    """The number of layers rises last, though it stands first, and the new layer does not begin at its default."""
    layers = Lever("layers", Role.CAPACITY, 1, 2, Scale.INTEGER, step=1.0, start=1)
    units = Lever("units_0", Role.CAPACITY, 0, 32, Scale.INTEGER, step=8.0, start=0)
    space = SearchSpace("conditional", (layers, units, replace(units, name="units_1", active_if=(("layers", (2,)),))))
    points = [step.point for step in whole_climb(space)]
    assert [(1, 0, 0), (1, 8, 0), (1, 24, 0), (1, 32, 0), (2, 32, 32)] == points


def test_another_worker_takes_the_next_rung() -> None:
    """Rungs that others run are not climbed again; above the last one the levers rise one at a time."""
    rungs = [at(units=512), at(units=2048), *(at(units=2048, layers=layers) for layers in (3, 5, 6))]
    running: list[Point] = []
    for expected in (*rungs, at(layers=3)):
        running.append(climbed(fits(0, START), pending=frozenset(running)).point)
        assert expected == running[-1]


def test_while_all_larger_networks_run_a_worker_backs_off() -> None:
    """From the best network so far; the climb decides once it has ended."""
    top = at(units=2048, layers=6)
    assert isinstance(cross_border([fits(0, at(units=2048, layers=5))], SPACE, frozenset({top})), Crossing)


def test_below_a_network_under_the_border_nothing_is_tried() -> None:
    """A shorter climb ended after a longer one: the next one goes on from the longer one."""
    trials = (fits(0, START), fits(1, at(units=2048, layers=3)), fits(2, at(units=512)))
    assert at(units=2048, layers=5) == climbed(*trials).point


def test_where_the_rungs_are_too_large_one_lever_rises() -> None:
    """A start that was too large is a ceiling for all rungs above its half, but not for one more of its layers."""
    trials = (failed(0, START, Outcome.OUT_OF_MEMORY), fits(1, at(units=128)))
    assert at(units=128, layers=3) == climbed(*trials).point


def test_the_climb_goes_on_though_the_larger_network_is_worse() -> None:
    """Far below the border one run says little: to end the climb there was worse on the development tasks."""
    assert at(units=2048) == climbed(fits(0, START, 0.1), fits(1, at(units=512), 0.2)).point


def test_after_five_networks_the_climb_ends_at_the_best() -> None:
    """Whatever the budget; with the reason, and nothing that follows reopens it."""
    points = [step.point for step in whole_climb()]
    assert [START, at(units=512), at(units=2048), at(units=2048, layers=3), at(units=2048, layers=5)] == points
    trials = [fits(number, point, abs(number - 2.0)) for number, point in enumerate(points)]
    for known in (trials, [*trials, fits(5, at(units=2048, dropout=0.2), -1.0)]):
        end = crossed(*known)
        assert (2, 5) == (end.trial.number, end.n_trials)
        assert "none of 5 networks has overfitted" in end.why


def test_networks_without_a_value_are_not_among_the_five() -> None:
    """What diverges is tried again with a lower learning rate, and the climb goes on after that."""
    trials = [fits(n, step.point) for n, step in enumerate(whole_climb()[:3])]
    trials += [
        failed(3, at(units=2048, layers=3), Outcome.DIVERGED),
        fits(4, at(units=2048, layers=3, learning_rate_scale=0.5)),
    ]
    assert at(units=2048, layers=5, learning_rate_scale=0.5) == climbed(*trials).point


def test_a_climb_leaves_an_enqueued_networks_regularization_behind() -> None:
    """The border is that of the unregularized network."""
    assert at(units=128) == climbed(fits(0, at(units=64, dropout=0.5, l2=1e-3))).point


def test_the_first_overfit_ends_the_phase() -> None:
    """The back-off starts right there, with the number of trials that it took."""
    end = crossed(fits(0, START), overfits(1, at(units=512)))
    assert (1, 2) == (end.trial.number, end.n_trials)
    assert "over the border (overfit confidence)" in end.why


def test_what_follows_cannot_reopen_the_phase() -> None:
    """A back-off trial that does not overfit is a success, not a network under the border."""
    trials = [fits(0, at(units=2048, layers=6)), fits(1, at(units=2048, layers=6, dropout=0.2), 0.05)]
    assert (0, 1) == (crossed(*trials).trial.number, crossed(*trials).n_trials)


def test_without_train_metrics_the_start_is_taken_for_the_border() -> None:
    """A study that diagnoses no fit is steered by its values alone."""
    end = crossed(
        Configuration((TrialRecord(0, START, value=0.1),)),
        Configuration((TrialRecord(1, at(dropout=0.2), value=0.05),)),
    )
    assert (0, 1) == (end.trial.number, end.n_trials)


@pytest.mark.parametrize(
    "diverged",
    [failed(0, START, Outcome.DIVERGED), Configuration((TrialRecord(0, START, value=2.3, state=FitState.DIVERGED),))],
    ids=["without a value", "with a value no better than guessing"],
)
def test_after_divergence_the_learning_rate_falls(diverged: Configuration) -> None:
    """Two thirds of a decade, at the same capacity; then the climb goes on from there."""
    lower = climbed(diverged)
    assert at(learning_rate_scale=0.215) == lower.point
    assert at(units=512, learning_rate_scale=0.215) == climbed(diverged, fits(1, lower.point)).point


def test_a_network_that_diverges_at_every_learning_rate_is_made_smaller() -> None:
    """The lowest rate of the range is the last one tried."""
    rates = (1.0, 0.215, 0.1)
    trials = [failed(i, at(learning_rate_scale=rate), Outcome.DIVERGED) for i, rate in enumerate(rates)]
    step = climbed(*trials)
    assert at(units=128, learning_rate_scale=0.1) == step.point
    assert "no value (diverged)" in step.why


@pytest.mark.parametrize("outcome", [Outcome.OUT_OF_MEMORY, Outcome.FAILED, Outcome.PRUNED])
def test_a_bigger_network_without_a_value_ends_the_climb_at_the_best(outcome: Outcome) -> None:
    """What could be trained is good enough to back off from; capacity may rise again later."""
    end = crossed(fits(0, START, 0.2), fits(1, at(units=512), 0.1), failed(2, at(units=1024), outcome))
    assert (1, 3) == (end.trial.number, end.n_trials)
    assert f"no value ({outcome.replace('_', ' ')})" in end.why


def test_a_start_that_does_not_fit_into_memory_is_made_smaller() -> None:
    """There is nothing to back off from yet."""
    assert at(units=128) == climbed(failed(0, START, Outcome.OUT_OF_MEMORY)).point


def test_when_everything_fails_it_gives_up() -> None:
    """An objective that cannot run ends the search after a few trials, not after its budget."""
    trials: list[Configuration] = []
    while isinstance(step := cross_border(trials, SPACE), Climb):
        trials.append(failed(len(trials), step.point))
    assert isinstance(step, Unreachable)
    assert "no configuration could be trained" == step.why
    assert at(units=16, layers=1) == trials[-1].point
    assert len(trials) <= 6


def test_in_a_space_without_capacity_a_failed_start_is_not_the_end() -> None:
    """What failed may depend on a choice; ten failures are enough to know."""
    others = [lever for lever in SPACE.levers if lever.role is not Role.CAPACITY]
    space = SearchSpace("no capacity", (choice("activation", ("relu", "tanh")), *others))
    start = failed(0, space.start_point())
    step = climbed(start, space=space)
    assert "tanh" == space.params(step.point)["activation"]
    assert "no value (failed): another configuration may give one" == step.why
    assert isinstance(cross_border([start, fits(1, step.point)], space), Crossing)
    trials = [start]
    while isinstance(step := cross_border(trials, space), Climb):
        trials.append(failed(len(trials), step.point))
    assert "no configuration could be trained" == step.why
    assert len({trial.point for trial in trials}) == len(trials) <= 10


def test_at_the_largest_network_the_best_is_the_start() -> None:
    """Not every data set can be overfitted within the space."""
    end = crossed(fits(0, at(units=2048, layers=5), 0.1), fits(1, at(units=2048, layers=6), 0.2))
    assert (0, 2) == (end.trial.number, end.n_trials)
    assert "no bigger network" in end.why


def test_a_long_history_under_the_border_ends_the_climb() -> None:
    """Five networks of another sampler are enough to know: the best of them is the start, and it costs no time."""
    trials = [fits(number, (4.0 + number, 1.0, 0.0, -7.5, 0.0), value=10.0 - number / 100) for number in range(10_000)]
    end = crossed(*trials)
    assert (4, 5) == (end.trial.number, end.n_trials)
