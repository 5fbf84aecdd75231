"""Everybody else vanishes while a node waits: at every waiting point of every objective.

A course (`courses`) goes on until the honest node waits for what the story says: that moment all
the others are gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from protocols.objectives.base import ObjectiveType, WaitingFor
from protocols.objectives.cranks import waiting_for
from tests.support.courses import (
    Command,
    all_meet_again,
    ask_payee,
    challenge_after_final,
    challenge_ledgers,
    close_direct,
    close_ledger,
    close_virtual,
    exit_ledgers,
    exit_virtual,
    followers_close,
    give_up_early,
    give_up_late,
    lose_tails,
    open_direct,
    open_ledger,
    open_token_ledger,
    open_virtual,
    own_challenge_after_final,
    payee_closes_all,
    propose_and_close,
    stale_ledgers,
    stale_virtual,
    time_passes,
)
from tests.support.story_world import ROLES
from tests.support.web import WebNode


@dataclass(frozen=True)
class Vanishing:
    """Who waits for what, in which course, when all the others vanish."""

    kind: ObjectiveType
    awaited: WaitingFor
    honest: str
    course: tuple[Command, ...]

    @property
    def name(self) -> str:
        """Of the story."""
        return f"all vanish while the {self.honest}'s {self.kind} waits for {self.awaited}"


def awaits(node: WebNode, story: Vanishing) -> bool:
    """Whether an objective of the node waits for that now."""
    running = ("unapproved", "approved")
    return any(
        objective.objective_type == story.kind
        and objective.status in running
        and waiting_for(node.state, objective, node.context()) == story.awaited
        for objective in node.state.objectives.values()
    )


ALL = ROLES
PAYER, FIRST_HUB, SECOND_HUB, PAYEE = ROLES
HUBS = (FIRST_HUB, SECOND_HUB)
_PAYEE_ASKED, _CLOSE, _OPEN = (ask_payee,), (payee_closes_all,), (open_virtual,)
_LEDGERS, _LEFT = (challenge_ledgers, time_passes), (exit_ledgers, time_passes)
_LOST = (lose_tails, close_virtual, close_direct)
_AFTER_FINAL = (challenge_after_final,)

_ROWS: tuple[tuple[ObjectiveType, str, tuple[str, ...], tuple[Command, ...]], ...] = (
    (ObjectiveType.DIRECT_FUND, "approval", (PAYEE,), (*_PAYEE_ASKED, open_direct)),
    (ObjectiveType.DIRECT_FUND, "complete-prefund", (PAYER,), (open_direct,)),
    (ObjectiveType.DIRECT_FUND, "token-allowance", (PAYER, PAYEE), (open_token_ledger,)),
    (ObjectiveType.DIRECT_FUND, "my-deposit", (PAYER, PAYEE), (open_ledger,)),
    (ObjectiveType.DIRECT_FUND, "complete-funding", (PAYER, PAYEE), (open_ledger,)),
    (ObjectiveType.DIRECT_FUND, "complete-postfund", (PAYER, PAYEE), (open_ledger,)),
    (ObjectiveType.DIRECT_DEFUND, "final-state-from-payer", (PAYEE,), _CLOSE),
    (ObjectiveType.DIRECT_DEFUND, "supported-final-state", (PAYER,), _CLOSE),
    (ObjectiveType.DIRECT_DEFUND, "supported-final-state", (SECOND_HUB,),
     (close_virtual, close_ledger)),
    (ObjectiveType.DIRECT_DEFUND, "final-state-from-leader", (FIRST_HUB, PAYEE),
     (close_virtual, followers_close)),
    (ObjectiveType.DIRECT_DEFUND, "empty-ledger", (PAYER, SECOND_HUB),
     (close_virtual, propose_and_close)),
    (ObjectiveType.DIRECT_DEFUND, "largest-voucher", (PAYER,), _LOST),
    (ObjectiveType.DIRECT_DEFUND, "latest-ledger-state", (PAYER, SECOND_HUB),
     (close_virtual, lose_tails, close_ledger)),
    (ObjectiveType.DIRECT_DEFUND, "conclusion", (PAYER, PAYEE), _CLOSE),
    (ObjectiveType.DIRECT_DEFUND, "conclusion", (FIRST_HUB, SECOND_HUB),
     (close_virtual, close_ledger)),
    (ObjectiveType.DIRECT_DEFUND, "withdrawal", (PAYER, PAYEE), _CLOSE),
    (ObjectiveType.VIRTUAL_FUND, "approval", (PAYEE,), (*_PAYEE_ASKED, open_virtual)),
    (ObjectiveType.VIRTUAL_FUND, "complete-prefund", ALL, _OPEN),
    (ObjectiveType.VIRTUAL_FUND, "left-guarantee", (*HUBS, PAYEE), _OPEN),
    (ObjectiveType.VIRTUAL_FUND, "right-guarantee", (PAYER, *HUBS), _OPEN),
    (ObjectiveType.VIRTUAL_FUND, "complete-postfund", ALL, _OPEN),
    (ObjectiveType.VIRTUAL_FUND, "renunciation", (PAYER, *HUBS), (give_up_early,)),
    (ObjectiveType.VIRTUAL_FUND, "guarantee-removal", (PAYER, *HUBS), (give_up_early,)),
    (ObjectiveType.VIRTUAL_FUND, "guarantee-removal", (PAYEE,), (give_up_late,)),
    (ObjectiveType.VIRTUAL_FUND, "supported-final-state", (SECOND_HUB,), (give_up_late,)),
    (ObjectiveType.VIRTUAL_DEFUND, "final-state-from-payer", (PAYEE,), _CLOSE),
    (ObjectiveType.VIRTUAL_DEFUND, "supported-final-state", (PAYER, SECOND_HUB, PAYEE),
     (give_up_late,)),
    (ObjectiveType.VIRTUAL_DEFUND, "guarantee-removal", ALL, _CLOSE),
    (ObjectiveType.VIRTUAL_DEFUND, "largest-voucher", (PAYER,), _LOST),
    (ObjectiveType.VIRTUAL_DEFUND, "conclusion", ALL, _AFTER_FINAL),
    (ObjectiveType.VIRTUAL_DEFUND, "finalization", ALL, _AFTER_FINAL),
    (ObjectiveType.CHALLENGE, "challenge-registration", ALL, _LEFT),
    (ObjectiveType.CHALLENGE, "challenge-expiry", ALL, _LEFT),
    (ObjectiveType.CHALLENGE, "challenge-clearance", (PAYER, SECOND_HUB),
     (challenge_ledgers, all_meet_again)),
    (ObjectiveType.CHALLENGE, "conclusion", (PAYER,), (own_challenge_after_final,)),
    (ObjectiveType.CHALLENGE, "finalization", (PAYER,), (own_challenge_after_final,)),
    (ObjectiveType.DEFEND, "challenge-clearance", ALL, (stale_ledgers,)),
    (ObjectiveType.DEFEND, "challenge-registration", (PAYEE,), (stale_virtual,)),
    (ObjectiveType.DEFEND, "challenge-expiry", ALL, (stale_virtual,)),
    (ObjectiveType.DEFEND, "conclusion", ALL, _AFTER_FINAL),
    (ObjectiveType.DEFEND, "finalization", ALL, _AFTER_FINAL),
    (ObjectiveType.WITHDRAW, "target-finalization", ALL, _LEDGERS),
    (ObjectiveType.WITHDRAW, "reclaim", ALL, _LEFT),
    (ObjectiveType.WITHDRAW, "withdrawal", ALL, _LEDGERS),
    (ObjectiveType.EXIT, "challenge-expiry", ALL, _LEFT),
    (ObjectiveType.EXIT, "guarantee-removal", (PAYER,), (exit_virtual, time_passes)),
    (ObjectiveType.EXIT, "withdrawal", ALL, _LEFT),
)  # fmt: skip

VANISHINGS = tuple(
    Vanishing(kind, WaitingFor(awaited), honest, course)
    for kind, awaited, roles, course in _ROWS
    for honest in roles
)
"""A story for every waiting point and every role that comes to it."""

ELSEWHERE = {
    (ObjectiveType.CHALLENGE, WaitingFor.KNOWN_OUTCOME): "records were lost: nothing of ours is "
    "as new as what the chain knows, only the other party can end it",
    (ObjectiveType.WITHDRAW, WaitingFor.KNOWN_OUTCOME): "records were lost, and the chain told of "
    "the end before we knew the channel again: only who holds that state can have it paid out",
    (ObjectiveType.WITHDRAW, WaitingFor.FINALIZATION): "a fork below the confirmation depth took "
    "the end of the channel back: the channel is halted",
    (ObjectiveType.DIRECT_DEFUND, WaitingFor.APP_RUN): "an application's: test_app_stories",
    (ObjectiveType.DIRECT_DEFUND, WaitingFor.OWNERS_WORD): "a game's: test_app_stories",
    (ObjectiveType.VIRTUAL_DEFUND, WaitingFor.OWNERS_WORD): "a game's over ledgers: "
    "test_app_stories",
    (ObjectiveType.VIRTUAL_DEFUND, WaitingFor.APP_RUN): "an application's over ledgers: "
    "test_app_stories",
}
"""Waiting points that nobody comes to by vanishing, or in a story of their own, with why."""
