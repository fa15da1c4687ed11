"""The strategy: trials in, the next action with its reason out. Pure; imports neither Keras nor MLflow nor Optuna.

    trials --> cross the border --> back off, directional --> local model ----> confirm ---------> shrink --> Stop
               (border.py)          (backoff.py, moves.py)    (local_model.py) (confirmation.py) (shrink.py)

What decides which phase it is, all of it read from the history: the border ends with the first trial that overfits;
the back-off with a row of trials that gained nothing (handover.py); the search with the reserve of the budget
(`Plan.n_reserved`). Repeats (racing.py) come in between, wherever a gain may be luck; levers without a
role have their share of the back-off's experiments, by the model.

>>> from search_spaces import mlp_space
>>> next_action(History.of([]), mlp_space(), Goal("val_loss")).reason
'the first network should be big enough to overfit'
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import attrgetter

from search_spaces import Point, SearchSpace
from tuning.strategy.actions import DEFAULT_SHRINK, REPEAT, Action, Goal, Phase, Plan, Stop, Suggest
from tuning.strategy.backoff import BackOff
from tuning.strategy.border import Climb, Crossing, assumed, cross_border
from tuning.strategy.configuration import Configuration
from tuning.strategy.confirmation import contenders, missing_runs, n_before
from tuning.strategy.cost import predicted_secs
from tuning.strategy.evidence import noise_of
from tuning.strategy.handover import hands_over, n_directional
from tuning.strategy.history import History
from tuning.strategy.moves import Proposal, next_experiment, without_role
from tuning.strategy.racing import Race
from tuning.strategy.reasons import conclusion, describe_change, exhausted
from tuning.strategy.replay import Replays
from tuning.strategy.selection import Leader, best_expected
from tuning.strategy.shrink import Smaller, next_smaller, smallest

_PLAN = Plan()
_FEWEST_WITHOUT_ROLE = 4  # configurations with a value before the model is asked of levers without a role


def next_action(
    history: History, space: SearchSpace, goal: Goal, plan: Plan = _PLAN, replays: Replays | None = None
) -> Action:
    """Decide what to try next from the history alone; `replays` remembers the last one and only saves work."""
    replays = replays or Replays()
    if reached := _target_reached(history, goal, plan):
        return reached
    if plan.n_shrink and len(history.trials) >= (plan.n_to_confirm or 0):
        shrinking = _shrink(history, space, goal, plan)
        if isinstance(shrinking, Suggest):
            return shrinking
    n_searched = n_before(history, plan)
    if n_searched is not None:
        return _confirm(history, space, plan, n_searched)
    action = _search(history, space, goal, plan, replays)
    if isinstance(action, Suggest):
        return action
    if history.pending:
        return _meanwhile(action, history, space, plan)
    return _after_search(action, history, space, goal, plan)


def _meanwhile(stop: Stop, history: History, space: SearchSpace, plan: Plan) -> Action:
    """The search waits for running trials: a worker without work repeats what the confirmation would repeat anyway."""
    confirming = _confirm(history, space, plan, len(history.finished)) if plan.n_reserved else stop
    return confirming if isinstance(confirming, Suggest) else stop


def _after_search(stop: Stop, history: History, space: SearchSpace, goal: Goal, plan: Plan) -> Action:
    """The search ended before its budget did: what it keeps for later comes now, and then its own reason to stop."""
    confirming = _confirm(history, space, plan, len(history.finished)) if plan.n_reserved else stop
    if isinstance(confirming, Suggest):
        return confirming
    shrinking = _shrink(history, space, goal, plan) if plan.shrink is not None else stop
    return shrinking if isinstance(shrinking, Suggest) else stop


def _target_reached(history: History, goal: Goal, plan: Plan) -> Stop | None:
    if plan.target is None:
        return None
    lowest = min([each.loss for each in history.configurations if each.has_value], default=math.inf)
    if lowest > plan.target:
        return None
    return Stop(f"its target was reached: {goal.monitor} {goal.show(lowest)}, wanted {goal.show(plan.target)}")


def leader_of(history: History, plan: Plan = _PLAN) -> Leader | None:
    """The configuration to ship after these trials, by what is to be expected of it; None if no trial gave a value."""
    found = history.configurations
    ranked, noise = _by_loss(found), noise_of(found)
    if not ranked:
        return None
    if plan.target is not None and ranked[0].loss <= plan.target:
        return Leader(ranked[0], "it reached the target")
    if noise.is_deterministic or plan.n_confirm_seeds == 1 or (plan.n_seeds == 1 and not noise.n_repeats):
        return Leader(ranked[0], "the lowest loss; repeats show no noise, or none were wanted")
    n_confirm_seeds = plan.n_confirm_seeds if plan.n_reserved else None
    return best_expected(found, Race(plan.n_race_seeds, noise), n_confirm_seeds)


def smaller_of(
    history: History, space: SearchSpace, goal: Goal, best: Configuration, margin: float = DEFAULT_SHRINK
) -> Smaller | None:
    """The smallest configuration tried that is not worse than the best by more than a share of its loss, if any."""
    found = history.configurations
    return smallest(space, found, best, Race(noise=noise_of(found)), goal.share(margin, best.loss))


def _search(history: History, space: SearchSpace, goal: Goal, plan: Plan, replays: Replays) -> Action:
    found = history.configurations
    start = None if found else history.running_at(space.start_point())
    border = assumed(start) if start else cross_border(found, space, history.pending)
    if isinstance(border, Climb):
        return _climb(border, found)
    if not isinstance(border, Crossing):
        return Stop(border.why)
    race = Race(plan.n_race_seeds, noise_of(found))
    if _is_model_able(found, space, plan) and hands_over(history.finished, space):
        return _model_experiment(found, history, space, plan)
    state = replays.state(found, space, border, race)
    return (
        _repeat(state, history)
        or _without_role(state, found, history, border, goal, plan)
        or _directional_experiment(state, found, history, border, goal, plan)
    )


def _is_model_able(found: Sequence[Configuration], space: SearchSpace, plan: Plan) -> bool:
    """Whether there are trials enough for a model, which then ranks the finalists whoever found them."""
    n_trials, n_complete = sum([len(each.runs) for each in found]), sum([each.has_value for each in found])
    return plan.use_model and n_trials >= n_directional(space) and n_complete >= 2


def _ranked(found: Sequence[Configuration], space: SearchSpace) -> list[Configuration]:
    from tuning.strategy.local_model import ranked  # loads scikit-learn: no study needs it before this phase

    return ranked(space, found)


def _climb(climb: Climb, found: Sequence[Configuration]) -> Suggest:
    return Suggest(climb.point, Phase.CROSS_BORDER, climb.move, found[-1].number if found else None, climb.why)


def _repeat(state: BackOff, history: History) -> Suggest | None:
    """The next run of the race between the incumbent and the challenger that looks better, unless it runs already."""
    if state.challenger is None:
        return None
    configuration, seed = state.race.next_run(state.incumbent, state.challenger)
    if (configuration.point, seed) in history.pending_runs:
        return None
    who = "the incumbent" if configuration is state.incumbent else "the challenger"
    change = describe_change(state.space, state.incumbent.point, state.challenger.point)
    z = state.race.measure(state.incumbent, state.challenger).z
    reason = f"{change} looks better (z = {z:+.2f}), which may be luck: repeat {who} with seed {seed + 1}"
    return Suggest(configuration.point, Phase.BACK_OFF, REPEAT, configuration.number, reason, seed)


def _without_role(
    state: BackOff, found: Sequence[Configuration], history: History, border: Crossing, goal: Goal, plan: Plan
) -> Suggest | None:
    """Levers without a role have their share of the experiments: they have no direction, so that the model chooses."""
    if not plan.use_model or sum(each.has_value for each in found) < _FEWEST_WITHOUT_ROLE:
        return None
    if not state.is_turn_without_role(history.pending):
        return None
    from tuning.strategy.local_model import LEAST_GAIN, propose_without_role  # loads scikit-learn

    space, at = state.space, state.incumbent.point
    proposal = propose_without_role(space, found, history.pending, plan.seed, at, is_timed=plan.is_timed)
    if proposal is None or proposal.gain < LEAST_GAIN:
        return None
    return _from_incumbent(proposal, state, border, goal)


def _directional_experiment(
    state: BackOff, found: Sequence[Configuration], history: History, border: Crossing, goal: Goal, plan: Plan
) -> Action:
    def secs_of(points: Sequence[Point]) -> list[float]:
        return list(map(float, predicted_secs(state.space, found, points)))

    proposal = next_experiment(state, history.pending, secs_of if plan.is_timed else None)
    if proposal is None:
        if plan.use_model and sum(each.has_value for each in found) >= 2:
            return _model_experiment(found, history, state.space, plan)
        proposal = without_role(state, history.pending) if plan.use_model else None
    if proposal is None:
        return Stop(exhausted(history))
    return _from_incumbent(proposal, state, border, goal)


def _from_incumbent(proposal: Proposal, state: BackOff, border: Crossing, goal: Goal) -> Suggest:
    change = describe_change(state.space, state.incumbent.point, proposal.point)
    reason = f"{conclusion(state, border, goal)}; next: {proposal.why} ({change})"
    return Suggest(proposal.point, Phase.BACK_OFF, proposal.move, state.incumbent.number, reason)


def _model_experiment(found: Sequence[Configuration], history: History, space: SearchSpace, plan: Plan) -> Action:
    """A new configuration by the model. No repeats here: the model itself averages over the luck of its neighbours."""
    from tuning.strategy.local_model import LEAST_GAIN, propose  # loads scikit-learn: not before this phase

    leader, proposal = propose(space, found, history.pending, plan.seed, is_timed=plan.is_timed)
    if proposal is None:
        return Stop(exhausted(history))
    if proposal.gain < LEAST_GAIN and Race(noise=noise_of(found)).knows_noise(leader):
        gain = f"{proposal.gain:.3f} standard deviations of a run"
        return Stop(f"no move can pay beyond the noise: the most that the model expects is {gain}")
    change = describe_change(space, leader.point, proposal.point)
    return Suggest(proposal.point, Phase.MODEL, proposal.move, leader.number, f"{proposal.why} ({change})")


def _confirm(history: History, space: SearchSpace, plan: Plan, n_searched: int) -> Action:
    """The finalists are those of the search alone: what the confirmation shows must not choose whom it is about."""
    searched = history.configurations_after(n_searched)
    if not any(each.has_value for each in searched):
        return Stop(exhausted(history))
    able = {each.point for each in contenders(searched, Race(plan.n_race_seeds, noise_of(searched)))}
    order = _ranked(searched, space) if _is_model_able(searched, space, plan) else _by_loss(searched)
    now = {each.point: each for each in history.configurations}
    ranked = [now[each.point] for each in order if each.point in able]
    if len(ranked) < 2:
        return Stop("the best configuration is surely better than every other one: nothing is left to confirm")
    start = now[searched[0].point] if searched[0].point in able else ranked[0]
    for configuration, seed in missing_runs([*ranked, start], plan.n_confirm_seeds):
        if (configuration.point, seed) not in history.pending_runs:
            reason = f"a finalist: how good is it with seed {seed + 1}"
            return Suggest(configuration.point, Phase.CONFIRM, REPEAT, configuration.number, reason, seed)
    return Stop("the finalists ran on all seeds: nothing is left to confirm")


def _shrink(history: History, space: SearchSpace, goal: Goal, plan: Plan) -> Action:
    """The next smaller network than the smallest one that is not worse than the leader."""
    leader = leader_of(history, plan)
    if leader is None or plan.shrink is None:
        return Stop(exhausted(history))
    best = leader.configuration
    proven = smaller_of(history, space, goal, best, plan.shrink)
    base = proven.configuration if proven else best
    point = next_smaller(space, history.configurations, base, history.pending)
    if point is None:
        return Stop("nothing is left to shrink: every smaller neighbour of the smallest network was tried")
    change = describe_change(space, base.point, point)
    reason = f"is a smaller network worse by less than {100 * plan.shrink:g} % ({change})"
    return Suggest(point, Phase.SHRINK, "smaller", base.number, reason)


def _by_loss(found: Sequence[Configuration]) -> list[Configuration]:
    return sorted([each for each in found if each.has_value], key=attrgetter("loss"))


__all__ = ["Action", "Goal", "Phase", "Plan", "Stop", "Suggest", "describe_change", "leader_of"]
