"""How long to wait between two calls to a server that failed, and when to give up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential waits with jitter, within a number of tries and a budget of seconds.

    Attributes:
        tries: calls in all.
        first_tries: likewise, as long as the server has never answered: a wrong address should show soon, and a search
            that has begun should outlive an outage of some minutes.
        base: seconds before the second call, halved at most by jitter; doubled before each further call.
        longest: seconds, of waits that the server did not ask for.
        longest_asked: seconds, of waits that it did; it is asked again then, even if it wanted more.
        budget: seconds for all calls and waits together; a wait that would end after them is not begun.
    """

    tries: int = 10
    first_tries: int = 5
    base: float = 1.0
    longest: float = 60.0
    longest_asked: float = 120.0
    budget: float = 900.0

    def wait(
        self, failed: int, asked: float | None, chance: float, elapsed: float, *, heard: bool = True
    ) -> float | None:
        """Seconds to wait before the next call; ``None`` if there is to be none.

        Args:
            failed: calls that have failed so far, at least 1.
            asked: what the server asks for, if it does; it is never undercut but by ``longest_asked``, and 0 is no
                wait.
            chance: the draw for the jitter, from 0 to 1; clients that failed together must not return together.
            elapsed: seconds since the first call began.
            heard: whether the server has answered before, if only that it loads its model.
        """
        if failed >= (self.tries if heard else min(self.tries, self.first_tries)):
            return None
        wait = min(self.longest, self.base * 2.0 ** (failed - 1)) * (1 + chance) / 2
        if asked is not None:
            wait = max(wait, min(asked, self.longest_asked) * (1 + chance / 10))
        return wait if elapsed + wait <= self.budget else None
