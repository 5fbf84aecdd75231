"""Policy: one verdict for every proposal, with a reason where the peer is told no."""

import pytest
from msgspec.structs import replace

from node.policy import Rule, Verdict, policy_from
from protocols.draft import FOLLOWER, HUB, PAYEE, PLAYER, Proposal
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


VIRTUAL = Proposal(ALICE.address, "VirtualFund", ZERO_ADDRESS, 0, 0, 86_400, HUB, 100, 1)


@pytest.mark.parametrize(
    ("rule", "hit", "miss"),
    [
        (Rule("allow", peer=ALICE.address), VIRTUAL, LARGE),
        (Rule("allow", objective="VirtualFund"), VIRTUAL, SMALL),
        (Rule("allow", role=PAYEE), SMALL, VIRTUAL),
        (Rule("allow", role=FOLLOWER), replace(SMALL, role=FOLLOWER), SMALL),
        (Rule("allow", role=HUB), VIRTUAL, replace(VIRTUAL, role=PAYEE)),
        (Rule("allow", asset=ZERO_ADDRESS), SMALL, replace(SMALL, asset=b"\x70" * 20)),
        (Rule("allow", amount_max=100), VIRTUAL, replace(VIRTUAL, guaranteed=101)),
        (
            Rule("allow", amount_max=100),
            replace(SMALL, my_deposit=50, their_deposit=50),
            replace(SMALL, my_deposit=50, their_deposit=51),
        ),
        (Rule("allow", challenge_duration_s_min=3_601), SMALL, LARGE),
        (Rule("allow", challenge_duration_s_max=86_399), LARGE, SMALL),
    ],
)
def test_each_condition_of_a_rule_decides_by_itself(
    rule: Rule, hit: Proposal, miss: Proposal
) -> None:
    decide = policy_from("ask", (rule,))
    assert (decide(hit).verdict, decide(miss).verdict) == ("allow", "ask")


def test_every_condition_of_a_rule_must_hold() -> None:
    decide = policy_from("ask", (Rule("allow", ALICE.address, "VirtualFund", HUB, amount_max=99),))
    assert decide(VIRTUAL).verdict == "ask"
    assert decide(replace(VIRTUAL, guaranteed=99)).verdict == "allow"


def test_a_rule_may_be_for_one_reducer() -> None:
    reducer = b"\x5e" * 32
    decide = policy_from("deny", (Rule("allow", role=PLAYER, reducer=reducer),))
    game = replace(SMALL, role=PLAYER, reducer_id=reducer)
    assert decide(game).verdict == "allow"
    assert decide(replace(game, reducer_id=b"\x5f" * 32)).verdict == "deny"
    assert decide(SMALL).verdict == "deny"


def test_the_first_rule_that_matches_decides() -> None:
    rules = (Rule("deny", role=HUB), Rule("allow", peer=ALICE.address), Rule("deny"))
    decide = policy_from("ask", rules)
    assert (decide(VIRTUAL).verdict, decide(VIRTUAL).reason) == ("deny", "denied by rule 1")
    assert decide(SMALL).verdict == "allow"
    assert decide(LARGE).reason == "denied by rule 3"


def test_the_default_decides_where_no_rule_does() -> None:
    assert policy_from("deny", (Rule("allow", role=HUB),))(SMALL).verdict == "deny"
