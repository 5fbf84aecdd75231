"""Policy: one verdict for every proposal, with a reason where the peer is told no."""

import pytest

from node.policy import Verdict, policy_from
from protocols.draft import Proposal
from protocols.messages import ObjectiveRejection, decode_body
from protocols.objectives.base import ObjectiveStatus
from protocols.types import ZERO_ADDRESS
from tests.support.actors import ALICE, BOB
from tests.support.builders import proposal
from tests.support.network import CoreNode, Said

SMALL = Proposal(ALICE.address, "DirectFund", ZERO_ADDRESS, 0, 1, 86_400)
LARGE = Proposal(BOB.address, "DirectFund", ZERO_ADDRESS, 0, 10**30, 3_600)


@pytest.mark.parametrize("verdict", ["ask", "allow", "deny"])
def test_every_proposal_gets_the_same_verdict(verdict: Verdict) -> None:
    decide = policy_from(verdict)
    assert decide(SMALL) == decide(LARGE)
    assert decide(SMALL).verdict == verdict


def test_a_denial_says_why_and_nothing_else_has_a_reason() -> None:
    assert "deny" in policy_from("deny")(SMALL).reason
    assert policy_from("ask")(SMALL).reason == ""
    assert policy_from("allow")(SMALL).reason == ""


def test_the_core_understands_each_verdict() -> None:
    verdicts: tuple[Verdict, ...] = ("ask", "allow", "deny")
    statuses = {}
    for verdict in verdicts:
        node = CoreNode(BOB)
        node.decision = policy_from(verdict)(SMALL)
        node.feed(Said(ALICE, proposal()))
        (identity,) = node.state.objectives
        statuses[verdict] = node.state.objectives[identity].status
        if verdict == "deny":
            (told,) = [decode_body(effect.body) for effect in node.outbox[ALICE.address]]
            assert isinstance(told, ObjectiveRejection)
            assert told.reason == node.decision.reason
    assert statuses == {
        "ask": ObjectiveStatus.UNAPPROVED,
        "allow": ObjectiveStatus.APPROVED,
        "deny": ObjectiveStatus.REJECTED,
    }
