"""Racing: a challenger that looks better is repeated on the next paired seeds before it is believed.

A lucky seed makes any configuration look good once. Where the noise is known, a repeat is spent only if it can change
something: a strong gain needs none, and at a flat reaction there is next to nothing to win or to lose. Until it is
known every better-looking challenger is repeated, which is how it becomes known. (SMAC's intensifier races on more
seeds: Lindauer et al. 2022.)
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tuning.strategy.configuration import Configuration
from tuning.strategy.evidence import Noise
from tuning.strategy.reaction import Reaction, Response, measure

# With fewer degrees of freedom the noise is a guess, so that every gain is repeated once.
_ENOUGH_FREEDOMS = 2


@dataclass(frozen=True)
class Race:
    """How challengers are judged.

    Args:
        n_seeds: Seeds on which a challenger has to be better, >= 1; 1 takes every gain at its word.
        noise: What the repeats so far say.
    """

    n_seeds: int = 1
    noise: Noise = field(default_factory=Noise)

    def measure(self, base: Configuration, challenger: Configuration) -> Response:
        """The measured response to a move, in units of the noise."""
        return measure(base, challenger, self.noise)

    def is_settled(self, incumbent: Configuration, challenger: Configuration) -> bool:
        """Whether a better-looking challenger needs no (further) repeat."""
        if self.n_seeds == 1 or self.noise.is_deterministic or len(challenger.seeds) >= self.n_seeds:
            return True
        reaction = self.measure(incumbent, challenger).reaction
        return self.knows_noise(challenger) and reaction is not Reaction.WEAK_GAIN

    def knows_noise(self, configuration: Configuration) -> bool:
        """Whether z is in units of something that was measured: repeats, or a standard error of the objective's."""
        return self.noise.n_freedoms >= _ENOUGH_FREEDOMS or configuration.stderr is not None

    def better(self, incumbent: Configuration, one: Configuration | None, other: Configuration) -> Configuration:
        """The challenger that looks better beside the incumbent."""
        if one is None or self.measure(incumbent, other).z > self.measure(incumbent, one).z:
            return other
        return one

    def next_run(self, incumbent: Configuration, challenger: Configuration) -> tuple[Configuration, int]:
        """Whose run on which seed comes next: the incumbent's where it misses one, so that the two stay paired."""
        for seed in range(self.n_seeds):
            for each in (incumbent, challenger):
                if seed not in each.seeds:
                    return each, seed
        raise ValueError("Both configurations ran on all seeds of the race: it is settled.")
