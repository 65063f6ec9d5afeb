"""What participants cost: the time that a run spends in their hooks, and the line that says who takes much of it.

Hooks of train, epoch and the like are timed at each call. Hooks of batches are timed in some batches, chosen so that
the timing takes a fifth of a percent of the run at most: in each of them where a batch takes ten milliseconds, in one
of a hundred where it takes a tenth of one. A batch that stands for others counts as many times. Which ones is drawn,
not counted off, so that a callback that works in every hundredth batch is met as often as it works. The first batch
after a beginning (of the run, an epoch, a validation) is timed and stands for itself: what is done once is.

The time is that of Python. What a callback lets a device do goes on after its call; it is not counted.
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
"""What timing one call costs, rather too much than too little."""
NOTICEABLE = 0.05
"""The share of a run above which a callback is named at its end, and how many seconds it must have taken at least."""


class Cost(NamedTuple):
    """What one participant cost a run in one hook.

    Attributes:
        name: the class of the callback, or the name of a module.
        package: name and version of the distribution that offers it; empty if none does.
        hook: e.g. ``"cthulhu_batch_end"``.
        seconds: the time spent there.
        share: of the time that the run took, from 0 to 1.
    """

    name: str
    package: str
    hook: str
    seconds: float
    share: float


class Costs:
    """The account of one run, and which of its batches are timed.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        # What is drawn here must not change what the training draws.
        self._random = random.Random(0)
        self._seconds: defaultdict[tuple[Participant, str], float] = defaultdict(float)
        self._timers: dict[str, int] = {}
        self._weight = 1
        self._next_weight = 1
        self._batch_begun: float | None = None
        self._begun = self._ended = 0.0

    def begin(self) -> None:
        """The run begins; :meth:`begin_anew` follows, as at other beginnings."""
        self._seconds.clear()
        self._timers.clear()
        self._ended = 0.0
        self._begun = self._clock()

    def end(self) -> None:
        """The run is over."""
        self._ended = self._clock()

    # --- which batches ------------------------------------------------------------------------------------------------

    def begin_anew(self) -> None:
        """What follows next may happen for the first time: the next batch is timed for itself."""
        self._weight = self._next_weight = 1
        self._batch_begun = None

    def begin_batch(self) -> None:
        """A batch that is timed begins."""
        self._weight = self._next_weight
        self._batch_begun = self._clock()

    def batches_to_skip(self) -> int:
        """How many batches now pass untimed, where one that was timed has ended."""
        if self._batch_begun is None:  # it is not known how long a batch takes
            return 0
        seconds = max(self._clock() - self._batch_begun, 1e-9)
        timing = SECONDS_OF_A_TIMER * (2 + sum(self._timers.values()))
        weight = max(1, math.ceil(timing / (SHARE_OF_TIMING * seconds)))
        self._next_weight = weight
        return self._random.randint(0, 2 * (weight - 1))

    # --- timing -------------------------------------------------------------------------------------------------------

    def timed(self, call: HookCall, of_batches: bool) -> HookCall:
        """The same calls, each of them timed."""
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
        """What is timed is the wrapper without what it wraps."""

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
        """Who cost how much in which hook, the most costly first."""
        run = (self._ended or self._clock()) - self._begun
        found = [
            Cost(participant.name, participant.package, hook, seconds, seconds / run if run > 0 else 0.0)
            for (participant, hook), seconds in self._seconds.items()
        ]
        return sorted(found, key=lambda cost: -cost.seconds)

    def line(self) -> str:
        """Who took a noticeable part of the run, and in which hook most; empty where nobody did.

        BaseLogger and History are left out: nobody could do without them.
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
