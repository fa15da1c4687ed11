"""Every rule of the directional back-off, one experiment at a time, on two levers."""

from collections.abc import Mapping

import pytest

from search_spaces import Point, Role, SearchSpace, mlp_space
from tuning.strategy.backoff import BackOff, begin, first_sign, lever_order
from tuning.strategy.configuration import Configuration
from tuning.strategy.diagnosis import FitState
from tuning.strategy.moves import Proposal, next_experiment
from tuning.strategy.reaction import Reaction
from tuning.strategy.records import Outcome, TrialRecord

NOISE = 1  # position of the lever; 0 is the width
OVERFIT = FitState.OVERFIT_CONFIDENCE

# Standard errors of 1 make the standard error of a difference sqrt(0.4) = 0.63.
GAINS = {"strong": 8.0, "weak": 9.0}
LOSSES = {"mild": 11.0, "strong": 12.0}


def trial(number: int, width: float, noise: float, value: float | None, base: int | None = None) -> Configuration:
    """Return an overfitting trial, or without a value a failed one."""
    outcome = Outcome.FAILED if value is None else Outcome.COMPLETE
    return Configuration((TrialRecord(number, (width, noise), outcome, value, stderr=1.0, state=OVERFIT, base=base),))


def begun(space: SearchSpace, *known: Configuration, noise: float = 0.0) -> BackOff:
    """Return phase 2 before its first experiment, at width 2^3 with a value of 10."""
    return begin(space, trial(0, 3.0, noise, 10.0), known)


def proposed(state: BackOff, taken: frozenset[Point] = frozenset()) -> Proposal:
    """Return the next experiment, which there must be."""
    proposal = next_experiment(state, taken)
    assert proposal is not None
    return proposal


def test_the_first_experiment_regularizes_an_overfitting_network(forest_space: SearchSpace) -> None:
    """By the lever's first step, from the start."""
    assert (3.0, 0.2) == proposed(begun(forest_space)).point


@pytest.mark.parametrize(("gain", "step", "point"), [("strong", 0.4, (3.0, 0.6)), ("weak", 0.2, (3.0, 0.4))])
def test_after_a_gain_it_keeps_going(forest_space: SearchSpace, gain: str, step: float, point: Point) -> None:
    """With a doubled step after a strong one."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.2, GAINS[gain]))
    assert 1 == state.incumbent.number
    assert step == pytest.approx(state.levers[NOISE].step)
    assert ("keep going", point) == (proposed(state).move, proposed(state).point)


def test_once_a_lever_has_moved_it_goes_at_most_half_the_way_to_the_edge(forest_space: SearchSpace) -> None:
    """From 0.6 of 1 a step of 0.4 would be the extreme; the first step may be long."""
    state = begun(forest_space, noise=0.4)
    state.absorb(trial(1, 3.0, 0.6, GAINS["strong"]))
    assert 0.4 == pytest.approx(state.levers[NOISE].step)
    assert ("keep going", (3.0, 0.8)) == (proposed(state).move, proposed(state).point)


def test_a_step_never_exceeds_half_the_range(forest_space: SearchSpace) -> None:
    """Otherwise a second strong gain would jump over everything."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.4, GAINS["strong"]))
    assert 0.5 == state.levers[NOISE].step


def test_a_mild_loss_halves_the_step_and_rests_the_lever(forest_space: SearchSpace) -> None:
    """The other lever is next; what was known stays."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.2, LOSSES["mild"]))
    assert 0 == state.incumbent.number
    assert (0.1, True) == (state.levers[NOISE].step, state.levers[NOISE].resting)
    assert (2.0, 0.0) == proposed(state).point


def test_a_strong_loss_turns_round_with_half_the_step(forest_space: SearchSpace) -> None:
    """The lever stays awake for its other side."""
    state = begun(forest_space, noise=0.5)
    state.absorb(trial(1, 3.0, 0.7, LOSSES["strong"]))
    assert (-1, 0.1, False) == (state.levers[NOISE].sign, state.levers[NOISE].step, state.levers[NOISE].resting)
    assert (3.0, 0.4) == proposed(state).point


@pytest.mark.parametrize(("value", "accepted"), [(9.9, True), (10.1, False)], ids=["the better mean", "the worse mean"])
def test_a_flat_reaction_rests_the_lever_and_takes_the_better_mean(
    forest_space: SearchSpace, value: float, accepted: bool
) -> None:
    """Within the noise the better mean is the better guess; that a step does nothing does not make it too long."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.2, value))
    assert (accepted, True, 0.2) == (
        1 == state.incumbent.number,
        state.levers[NOISE].resting,
        state.levers[NOISE].step,
    )


@pytest.mark.parametrize(("width", "accepted"), [(2.0, True), (4.0, False)], ids=["smaller", "bigger"])
def test_the_cheaper_network_wins_a_tie(forest_space: SearchSpace, width: float, accepted: bool) -> None:
    """A little worse but surely not worse: accepted only where it saves capacity."""
    state = begun(forest_space)
    state.absorb(trial(1, width, 0.0, 10.5))
    assert accepted == (1 == state.incumbent.number)


def test_ties_do_not_add_up_to_a_loss(forest_space: SearchSpace) -> None:
    """Each network ties with the one before, but the third is surely worse than the first."""
    state = begun(forest_space)
    state.absorb(trial(1, 2.0, 0.0, 10.5))
    state.absorb(trial(2, 1.0, 0.0, 11.0))
    assert 1 == state.incumbent.number


def test_a_bigger_network_has_to_show_that_it_pays(forest_space: SearchSpace) -> None:
    """A better mean within the noise is not enough to grow; the same improvement by less noise would be."""
    state = begun(forest_space)
    state.absorb(trial(1, 4.0, 0.0, 9.5))
    assert (0, Reaction.FLAT) == (state.incumbent.number, state.last.response.reaction if state.last else None)
    state.absorb(trial(2, 3.0, 0.2, 9.5))
    assert 2 == state.incumbent.number


def test_a_failed_trial_rests_the_lever_and_is_not_tried_again(forest_space: SearchSpace) -> None:
    """It says nothing of the lever: step and sign stay."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.2, None))
    assert (0, True) == (state.incumbent.number, state.levers[NOISE].resting)
    assert frozenset() == state.levers[NOISE].lost
    assert (3.0, 0.2) in state.tried.points


def test_a_smaller_network_that_failed_wins_no_tie(forest_space: SearchSpace) -> None:
    """Without a value there is no tie."""
    state = begun(forest_space)
    state.absorb(trial(1, 2.0, 0.0, None))
    assert 0 == state.incumbent.number


def test_a_repeat_of_the_incumbent_moves_nothing(forest_space: SearchSpace) -> None:
    """A second, luckier value of the same configuration is no progress."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.0, GAINS["strong"]))
    assert (0, 0) == (state.incumbent.number, state.n_accepted)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_bracketed_lever_goes_to_the_vertex(forest_space: SearchSpace, loss: str) -> None:
    """Gain from 0 to 0.2, loss at 0.6: the parabola through the three says where next."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.2, GAINS["strong"], base=0))
    state.absorb(trial(2, 3.0, 0.6, LOSSES[loss] - 2, base=1))
    assert ("vertex", (3.0, 0.3)) == (proposed(state).move, proposed(state).point)


def test_after_the_vertex_lost_the_lever_rests(forest_space: SearchSpace) -> None:
    """One vertex a bracket: the next lever is due."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.2, GAINS["strong"], base=0))
    state.absorb(trial(2, 3.0, 0.6, LOSSES["strong"], base=1))
    state.absorb(trial(3, 3.0, 0.3, LOSSES["mild"], base=1))
    assert state.levers[NOISE].resting
    assert (4.0, 0.2) == proposed(state).point


def test_a_failed_neighbour_is_no_side_of_a_bracket(forest_space: SearchSpace) -> None:
    """A trial that says nothing of the lever must not bend the parabola."""
    state = begun(forest_space, trial(9, 3.0, 0.1, None))
    state.absorb(trial(1, 3.0, 0.2, GAINS["strong"], base=0))
    state.absorb(trial(2, 3.0, 0.6, LOSSES["mild"] - 2, base=1))
    assert (3.0, 0.3) == proposed(state).point


def test_a_lever_is_measured_from_the_trials_own_base(forest_space: SearchSpace) -> None:
    """Another worker replaced the incumbent meanwhile: the gain still tells of the lever, but is not taken."""
    state = begun(forest_space)
    state.absorb(trial(1, 2.0, 0.0, 5.0, base=0))
    state.absorb(trial(2, 3.0, 0.2, 8.0, base=0))
    assert 1 == state.incumbent.number
    assert 1 == state.levers[NOISE].sign
    assert 0.4 == pytest.approx(state.levers[NOISE].step)
    assert (2.0, 0.4) == proposed(state).point


def test_a_loss_at_another_base_excludes_no_direction_here(forest_space: SearchSpace) -> None:
    """What lost beside the old incumbent may win beside the new one."""
    state = begun(forest_space)
    state.absorb(trial(1, 2.0, 0.0, 5.0, base=0))
    state.absorb(trial(2, 3.0, 0.2, 12.0, base=0))
    assert frozenset() == state.levers[NOISE].lost


def test_at_a_new_place_every_direction_is_open_again(forest_space: SearchSpace) -> None:
    """More noise lost at the old width; at the new one it may win."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.2, LOSSES["mild"], base=0))
    assert {1} == state.levers[NOISE].lost
    state.absorb(trial(2, 2.0, 0.0, GAINS["strong"], base=0))
    assert frozenset() == state.levers[NOISE].lost


def test_a_trial_without_a_known_base_is_compared_with_the_incumbent(forest_space: SearchSpace) -> None:
    """Foreign trials have none, and a base may have been lost."""
    state = begun(forest_space)
    state.absorb(trial(1, 3.0, 0.2, GAINS["weak"], base=99))
    assert (1, NOISE) == (state.incumbent.number, state.focus)


def test_with_a_clock_a_poll_that_costs_twice_as_much_comes_last(forest_space: SearchSpace) -> None:
    """The diagnosis asks for width first, and gets it where that costs half as much again."""
    underfit = Configuration((TrialRecord(0, (3.0, 0.5), value=10.0, stderr=1.0, state=FitState.UNDERFIT),))
    state = begin(forest_space, underfit, [])
    dear = next_experiment(state, frozenset(), lambda points: [2.0 ** point[0] for point in points])
    cheap = next_experiment(state, frozenset(), lambda points: [1.5 ** point[0] for point in points])
    assert dear is not None
    assert cheap is not None
    assert [(3.0, 0.3), (4.0, 0.5)] == [dear.point, cheap.point]


def test_with_a_clock_a_lever_that_gained_is_worth_its_price(forest_space: SearchSpace) -> None:
    """A strong gain by width is expected again, so twice the seconds are paid."""
    state = begun(forest_space)
    state.absorb(trial(1, 4.0, 0.0, GAINS["strong"]))
    proposal = next_experiment(state, frozenset(), lambda points: [2.0 ** point[0] for point in points])
    assert proposal is not None
    assert ("keep going", (5.0, 0.0)) == (proposal.move, proposal.point)


def test_running_points_are_not_proposed_again(forest_space: SearchSpace) -> None:
    """The next worker polls another lever; shorter steps on the same one come last."""
    assert (2.0, 0.0) == proposed(begun(forest_space), frozenset({(3.0, 0.2)})).point


def test_after_a_cycle_with_two_gains_comes_the_sum_of_both(forest_space: SearchSpace) -> None:
    """Hooke and Jeeves's pattern move, before the levers are polled again."""
    state = begun(forest_space)
    for done in (
        trial(1, 3.0, 0.2, 9.0, base=0),
        trial(2, 3.0, 0.4, 9.1, base=1),
        trial(3, 4.0, 0.2, 8.0, base=1),
        trial(4, 5.0, 0.2, 8.1, base=3),
    ):
        state.absorb(done)
    assert ("pattern", (5.0, 0.4)) == (proposed(state).move, proposed(state).point)


def test_after_a_gain_more_regularization_is_tried_together_with_more_capacity(forest_space: SearchSpace) -> None:
    """Srivastava et al.: a network with dropout carries more units."""
    state = begun(forest_space)
    for done in (
        trial(1, 3.0, 0.2, 9.0, base=0),
        trial(2, 3.0, 0.4, 9.1, base=1),
        trial(3, 4.0, 0.2, 9.1, base=1),
    ):
        state.absorb(done)
    assert ("coupled", (4.0, 0.3)) == (proposed(state).move, proposed(state).point)


def test_a_coupled_move_needs_room_on_both_levers(forest_space: SearchSpace) -> None:
    """At the largest network it would be a plain step under a wrong name."""
    state = begin(forest_space, trial(0, 6.0, 0.2, 9.0), [])
    state.absorb(trial(1, 6.0, 0.4, 8.0))
    moves = []
    while (proposal := next_experiment(state, frozenset())) is not None:
        moves.append(proposal.move)
        width, noise = proposal.point
        state.absorb(trial(len(moves) + 1, width, noise, 12.0, base=1))
    assert {"keep going", "poll", "vertex"} == set(moves)


def test_a_new_cycle_wakes_the_levers_at_the_best_trial_known(forest_space: SearchSpace) -> None:
    """A network from under the border may be surely better than where the back-off stands."""
    state = begun(forest_space, trial(7, 2.0, 0.0, 7.0))
    state.absorb(trial(1, 3.0, 0.2, LOSSES["mild"]))
    state.start_cycle()
    assert 7 == state.incumbent.number
    assert [False, False] == [memory.resting for memory in state.levers]
    assert (2.0, 0.1) == proposed(state).point


def test_nothing_is_left_once_every_neighbour_is_known(forest_space: SearchSpace) -> None:
    """The start is a minimum on both levers."""
    known = [trial(i, *point, 12.0) for i, point in enumerate([(2.0, 0.5), (4.0, 0.5), (3.0, 0.4), (3.0, 0.6)], 1)]
    far = [trial(i, 3.0, noise / 10, 12.0) for i, noise in enumerate([0, 1, 2, 3, 7, 8, 9, 10], 5)]
    wide = [trial(i, width, 0.5, 12.0) for i, width in enumerate([1.0, 5.0, 6.0], 13)]
    assert next_experiment(begun(forest_space, *known, *far, *wide, noise=0.5), frozenset()) is None


@pytest.mark.parametrize(
    ("base", "point", "lever"),
    [((1.0, 2.0), (1.0, 3.0), 1), ((1.0, 2.0), (2.0, 3.0), None), ((1.0, 2.0), (1.0, 2.0), None)],
)
def test_an_experiment_on_one_lever_is_told_from_others(
    forest_space: SearchSpace, base: Point, point: Point, lever: int | None
) -> None:
    """Only one moved lever can explain the reaction."""
    assert lever == forest_space.moved(base, point)


SIGNS: Mapping[tuple[Role, FitState | None, bool], int] = {
    (Role.REGULARIZATION, FitState.OVERFIT_DECISIONS, False): 1,
    (Role.REGULARIZATION, FitState.FIT, False): 1,
    (Role.REGULARIZATION, FitState.UNDERFIT, True): -1,
    (Role.CAPACITY, FitState.OVERFIT_CONFIDENCE, False): -1,
    (Role.CAPACITY, FitState.OVERFIT_CONFIDENCE, True): 1,
    (Role.CAPACITY, FitState.UNDERFIT, False): 1,
    (Role.CAPACITY, None, False): 1,
    (Role.NUISANCE, FitState.UNDERTRAINED, False): 1,
    (Role.NUISANCE, FitState.FIT, False): -1,
}


@pytest.mark.parametrize(("role", "state", "regularized"), list(SIGNS))
def test_role_and_fit_give_the_first_sign(role: Role, state: FitState | None, regularized: bool) -> None:
    """Overfit: restrain; underfit: free; a regularized network can carry more capacity."""
    assert SIGNS[role, state, regularized] == first_sign(role, state, regularized)


@pytest.mark.parametrize(
    ("state", "order"),
    [
        (FitState.OVERFIT_CONFIDENCE, ["dropout", "l2", "units", "layers", "learning_rate_scale"]),
        (None, ["dropout", "l2", "units", "layers", "learning_rate_scale"]),
        (FitState.UNDERFIT, ["units", "layers", "dropout", "l2", "learning_rate_scale"]),
    ],
)
def test_the_fit_gives_the_order_of_the_levers(state: FitState | None, order: list[str]) -> None:
    """Regularization first, but an underfitting network is given capacity first."""
    space = mlp_space()
    assert order == [space.levers[j].name for j in lever_order(space, state)]
