"""What peers' messages may cost: so many a minute, and so much of the reducers' time.

A peer may say what is valid for ever, and each message is run and recorded. Beyond its quota what
it asks for waits: a channel has one offer of its other end at most, so nothing more is recorded
meanwhile, nobody is accused of anything, and nothing that was said is lost. Our own messages, and
answers to them, wait for no quota (ADR 0099).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from node.apps.limits import QUOTA_PEER_COUNT_MAX
from node.p2p.rate import TokenBucket
from protocols.app_judging import AppRun
from protocols.inputs import AppVerdict
from protocols.types import Address, to_hex

log = structlog.get_logger()

INTERVAL_S = 60.0
"""What a quota is for."""

Judge = Callable[[AppRun], tuple[AppVerdict, ...] | None]


class _Budget:
    """What is left of one peer's quota, over all its channels."""

    def __init__(self, messages_per_minute: int, reducer_s_per_minute: int, now_s: float) -> None:
        self.messages = _a_minute_of(messages_per_minute, now_s)
        self.reducer_s = _a_minute_of(reducer_s_per_minute, now_s)
        self.is_told = False
        """Whether our log says that the peer waits."""

    def wait_s(self, now_s: float) -> float:
        """Until the peer is within its quota; 0 if it is."""
        return max(self.messages.take(0, now_s), self.reducer_s.take(0, now_s))


def _a_minute_of(amount: int, now_s: float) -> TokenBucket:
    return TokenBucket(amount / INTERVAL_S, amount, now_s)


class Quota:
    """Runs reducers by `judge` while the peer that asks for it has some of its quota left.

    A minute's worth may be used at once, and comes back evenly. For one thread.
    """

    def __init__(
        self,
        judge: Judge,
        messages_per_minute: int,
        reducer_s_per_minute: int,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._judge = judge
        self._terms = messages_per_minute, reducer_s_per_minute
        self._clock_s = clock_s
        self._budgets: OrderedDict[Address, _Budget] = OrderedDict()

    def run(self, run: AppRun) -> tuple[AppVerdict, ...] | None:
        """The reducer's verdicts; None while there are none, or the peer has to wait."""
        if not run.asked_by:
            return self._judge(run)
        began_s = self._clock_s()
        budget = self._budget(run.asked_by, began_s)
        wait_s = budget.wait_s(began_s)
        if wait_s > 0:
            if not budget.is_told:
                peer = to_hex(run.asked_by)
                log.warning(
                    "peer's messages wait for its quota", peer=peer, wait_s=round(wait_s, 3)
                )
            budget.is_told = True
            return None
        budget.is_told = False
        verdicts = self._judge(run)
        now_s = self._clock_s()
        budget.messages.take(0 if verdicts is None else len(verdicts), now_s)
        budget.reducer_s.take(now_s - began_s, now_s)
        return verdicts

    def _budget(self, peer: Address, now_s: float) -> _Budget:
        budget = self._budgets.pop(peer, None)
        if budget is None:
            budget = _Budget(*self._terms, now_s)
            if len(self._budgets) >= QUOTA_PEER_COUNT_MAX:
                self._budgets.popitem(last=False)
        self._budgets[peer] = budget
        return budget
