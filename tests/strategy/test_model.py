"""The local model: what it predicts, where it looks, and what it must not be led astray by."""

import numpy as np

from search_spaces import Point, SearchSpace, mlp_space
from tuning.strategy.configuration import Configuration
from tuning.strategy.local_model import propose, ranked
from tuning.strategy.model import candidates_of, expected_improvement, fit, relevant
from tuning.strategy.records import Outcome, TrialRecord

MLP = mlp_space()


def bowl(point: Point, space: SearchSpace) -> float:
    """Lowest at width 16 and noise 0.5."""
    width, noise = point
    return 1.0 + (width - 4.0) ** 2 / 4 + 4 * (noise - 0.5) ** 2


def tried(space: SearchSpace, points: list[Point], losses: list[float] | None = None) -> list[Configuration]:
    """One run for each point."""
    values = [bowl(point, space) for point in points] if losses is None else losses
    return [
        Configuration((TrialRecord(i, point, value=value),))
        for i, (point, value) in enumerate(zip(points, values, strict=True))
    ]


CORNERS: list[Point] = [(1.0, 0.0), (6.0, 0.0), (1.0, 1.0), (6.0, 1.0), (3.0, 0.3), (5.0, 0.8), (2.0, 0.6), (4.0, 0.1)]


def test_it_proposes_near_the_bottom_of_a_bowl(forest_space: SearchSpace) -> None:
    """Eight points around it are enough."""
    incumbent, proposal = propose(forest_space, tried(forest_space, CORNERS), frozenset(), seed=0)
    assert (3.0, 0.3) == incumbent.point
    assert proposal is not None
    assert bowl(proposal.point, forest_space) < bowl((3.0, 0.3), forest_space)


def test_of_what_promises_about_as_much_the_cheapest_is_tried(forest_space: SearchSpace) -> None:
    """Where width changes next to nothing, the search does not end among the widest networks."""
    points = [(w, n) for w in (3.0, 5.0) for n in (0.0, 0.3, 1.0)]
    found = tried(forest_space, points, [1 + (n - 0.5) ** 2 - w / 1000 for w, n in points])
    _, proposal = propose(forest_space, found, frozenset(), seed=0)
    assert proposal is not None
    assert proposal.point[0] <= 4.0


def test_running_trials_are_neither_proposed_nor_crowded(forest_space: SearchSpace) -> None:
    """Four workers ask one after the other, before any of them ends."""
    pending: frozenset[Point] = frozenset()
    for _ in range(4):
        _, proposal = propose(forest_space, tried(forest_space, CORNERS), pending, seed=0)
        assert proposal is not None
        assert proposal.point not in pending
        pending |= {proposal.point}
    assert 4 == len(pending)


def test_the_ranking_averages_over_luck(forest_space: SearchSpace) -> None:
    """Around the bottom all are good but for one; far away one lucky run is the best of all and does not lead."""
    rng = np.random.default_rng(0)
    points = [(w, n / 10) for w in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0) for n in range(0, 11, 2)]
    losses = [bowl(point, forest_space) + 0.1 * float(rng.normal()) for point in points]
    losses[points.index((1.0, 1.0))] = 0.9
    order = ranked(forest_space, tried(forest_space, points, losses))
    assert (1.0, 1.0) != order[0].point
    assert bowl(order[0].point, forest_space) < 1.2


def test_a_hopeless_run_does_not_flatten_the_rest(forest_space: SearchSpace) -> None:
    """A loss of 1e300 is one more bad run."""
    found = tried(forest_space, [*CORNERS, (6.0, 0.5)], [*(bowl(p, forest_space) for p in CORNERS), 1e300])
    incumbent, proposal = propose(forest_space, found, frozenset(), seed=0)
    assert (3.0, 0.3) == incumbent.point
    assert proposal is not None
    assert bowl(proposal.point, forest_space) < 2.5


def test_what_a_seed_does_to_all_is_taken_out(forest_space: SearchSpace) -> None:
    """A configuration that ran with the bad seed alone is not taken for worse."""
    runs = [*tried(forest_space, CORNERS)]
    repeats = [
        Configuration((*each.runs, TrialRecord(20, each.point, value=10 * each.loss, seed_index=1)))
        for each in runs[:4]
    ]
    (alone,) = fit(forest_space, runs).predict([(5.0, 0.8)])[0]
    (with_repeats,) = fit(forest_space, [*repeats, *runs[4:]]).predict([(5.0, 0.8)])[0]
    assert with_repeats < 0
    assert alone < 0


def test_it_stays_away_from_where_trials_were_pruned(forest_space: SearchSpace) -> None:
    """All round the bottom of the bowl nothing gave a value."""
    bottom: list[Point] = [(w, n / 10) for w in (3.0, 4.0, 5.0) for n in range(3, 8)]
    pruned = [Configuration((TrialRecord(50 + i, point, Outcome.PRUNED),)) for i, point in enumerate(bottom)]
    corners = [point for point in CORNERS if point not in bottom]
    _, proposal = propose(forest_space, [*tried(forest_space, corners), *pruned], frozenset(), seed=0)
    assert proposal is not None
    assert proposal.point not in bottom


def test_nothing_is_proposed_where_everything_was_tried(forest_space: SearchSpace) -> None:
    """The space has 66 points."""
    points: list[Point] = [(w, n) for w in forest_space.levers[0].grid() for n in forest_space.levers[1].grid()]
    assert propose(forest_space, tried(forest_space, points), frozenset(), seed=0)[1] is None


def test_candidates_lie_on_the_grid_within_reach_and_are_untried() -> None:
    """Of a space too large to list."""
    centre, rng = MLP.start_point(), np.random.default_rng(0)
    found = candidates_of(MLP, centre, 0.2, {centre}, rng)
    assert len(found) == len(set(found)) > 100
    assert centre not in found
    for point in found:
        assert point == MLP.snap(point)
        reach = [max(0.2 * lever.span, lever.step) + 1e-9 for lever in MLP.levers]
        assert all(abs(x - at) <= most for x, at, most in zip(point, centre, reach, strict=True))


def test_expected_improvement_is_positive_and_highest_where_it_is_unknown_or_good(forest_space: SearchSpace) -> None:
    """A far bad corner that is known promises nothing."""
    surrogate = fit(forest_space, tried(forest_space, CORNERS))
    bottom, known_bad = expected_improvement(surrogate, [(4.0, 0.5), (1.0, 1.0)], CORNERS)
    assert bottom > known_bad >= 0


def test_of_a_long_history_the_best_and_the_latest_are_used(forest_space: SearchSpace) -> None:
    """The cost of a fit grows with the cube."""
    points: list[Point] = [(float(i), 0.0) for i in range(1000)]
    kept = relevant(tried(forest_space, points, [abs(i - 300.0) for i in range(1000)]))
    assert len(kept) <= 100
    assert {300.0, 999.0} <= {each.point[0] for each in kept}
    failed = Configuration((TrialRecord(0, (1.0, 0.0), Outcome.FAILED),))
    assert [] == relevant([failed])
