"""The time that a run spends in the hooks of each participant.

Hooks of train, epoch and the like are timed at every call. Hooks of batches are timed in a sample of the batches, so
that timing takes at most 0.2 % of the run: in every batch if a batch takes 10 ms, in one of a hundred if it takes
0.1 ms. A sampled batch counts for those it represents. Samples are drawn at random, so that a callback that works in
every hundredth batch is hit as often as it works. The first batch of a run, an epoch or a validation is always timed
and represents only itself, because work that is done once is done there.

Only Python's time is measured, not the work that a callback leaves to a device.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from cthulhu_core.contract.hookspecs import PREFIX

if TYPE_CHECKING:
    from cthulhu_core.installed.participant import Participant
    from cthulhu_core.run.hook_call import HookCall

SHARE_OF_TIMING = 0.0015
SECONDS_OF_A_TIMER = 1e-6
"""The cost of timing one call; an upper estimate."""
NOTICEABLE = 0.05
"""The share of a run, and the seconds, above which a callback is named at the end."""


class Cost(NamedTuple):
    """The time that one participant took in one hook.

    Attributes:
        name: the class of the callback, or the name of a module.
        package: name and version of the distribution that provides it; empty if none does.
        hook: e.g. ``"cthulhu_batch_end"``.
        seconds: the time spent there.
        share: fraction of the time that the run took, from 0 to 1.
    """

    name: str
    package: str
    hook: str
    seconds: float
    share: float


class Costs:
    """The times of one run, and the choice of batches that are timed.

    Args:
        clock: returns the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        # A generator of its own, so that training draws the same numbers.
        self._random = random.Random(0)
        self._seconds: defaultdict[tuple[Participant, str], float] = defaultdict(float)
        self._timers: dict[str, int] = {}
        self._weight = 1
        self._next_weight = 1
        self._batch_begun: float | None = None
        self._begun = self._ended = 0.0

    def begin(self) -> None:
        """Begin the run; call :meth:`time_next` next."""
        self._seconds.clear()
        self._timers.clear()
        self._ended = 0.0
        self._begun = self._clock()

    def end(self) -> None:
        """End the run."""
        self._ended = self._clock()

    # --- which batches ------------------------------------------------------------------------------------------------

    def time_next(self) -> None:
        """Time the next batch and let it represent only itself: something may happen for the first time."""
        self._weight = self._next_weight = 1
        self._batch_begun = None

    def begin_batch(self) -> None:
        """Begin a batch that is timed."""
        self._weight = self._next_weight
        self._batch_begun = self._clock()

    def batches_to_skip(self) -> int:
        """Return how many batches to leave untimed after one that was timed."""
        if self._batch_begun is None:  # the duration of a batch is unknown
            return 0
        seconds = max(self._clock() - self._batch_begun, 1e-9)
        timing = SECONDS_OF_A_TIMER * (2 + sum(self._timers.values()))
        weight = max(1, math.ceil(timing / (SHARE_OF_TIMING * seconds)))
        self._next_weight = weight
        return self._random.randint(0, 2 * (weight - 1))

    # --- timing -------------------------------------------------------------------------------------------------------

    def timed(self, call: HookCall, of_batches: bool) -> HookCall:
        """Return the same calls, each with a timer."""
        if of_batches:
            self._timers[call.hook] = len(call.calls) + 2 * len(call.wrappers)

        def function(participant: Participant, inner: Callable[..., Any]) -> Callable[..., Any]:
            return self._timed(inner, (participant, call.hook), of_batches)

        def wrapper(participant: Participant, inner: Callable[..., Any]) -> Callable[..., Any]:
            return self._timed_wrapper(inner, (participant, call.hook), of_batches)

        return call.replaced(function, wrapper)

    def _timed(
        self, function: Callable[..., Any], key: tuple[Participant, str], of_batches: bool
    ) -> Callable[..., None]:
        clock, seconds = self._clock, self._seconds

        def timed(*arguments: Any) -> None:
            begun = clock()
            try:
                function(*arguments)
            finally:
                seconds[key] += (clock() - begun) * (self._weight if of_batches else 1)

        return timed

    def _timed_wrapper(
        self, wrapper: Callable[..., AbstractContextManager[None]], key: tuple[Participant, str], of_batches: bool
    ) -> Callable[..., AbstractContextManager[None]]:
        """Return the wrapper with a timer that excludes what it wraps."""

        @contextmanager
        def timed(*arguments: Any) -> Iterator[None]:
            inside = 0.0
            begun = self._clock()
            try:
                with wrapper(*arguments):
                    entered = self._clock()
                    try:
                        yield
                    finally:
                        inside = self._clock() - entered
            finally:
                self._seconds[key] += (self._clock() - begun - inside) * (self._weight if of_batches else 1)

        return timed

    # --- the account --------------------------------------------------------------------------------------------------

    def costs(self) -> list[Cost]:
        """Return the time of each participant in each hook, the most expensive first."""
        run = (self._ended or self._clock()) - self._begun
        found = [
            Cost(participant.name, participant.package, hook, seconds, seconds / run if run > 0 else 0.0)
            for (participant, hook), seconds in self._seconds.items()
        ]
        return sorted(found, key=lambda cost: -cost.seconds)

    def line(self) -> str:
        """Return the participants that took a noticeable share of the run, and the hook that took most; may be empty.

        BaseLogger and History are left out, because every run needs them.
        """
        of: defaultdict[tuple[str, str], list[Cost]] = defaultdict(list)
        for cost in self.costs():
            if not cost.package.startswith("cthulhu-core "):
                of[cost.name, cost.package].append(cost)
        named = []
        for (name, package), costs in of.items():
            share = sum(cost.share for cost in costs)
            if share > NOTICEABLE and sum(cost.seconds for cost in costs) > NOTICEABLE:
                who = f"{name} ({package})" if package else name
                named.append((share, f"{who} {share:.0%} of the run, most in {costs[0].hook.removeprefix(PREFIX)}"))
        return "; ".join(text for _, text in sorted(named, reverse=True))
