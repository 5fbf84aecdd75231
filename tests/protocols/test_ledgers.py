"""Updates of a ledger: who may propose, who judges, and what a queue comes to."""

from __future__ import annotations

from typing import Any

import pytest

from protocols import inputs
from protocols.channel import funding_terms
from protocols.events import MessageDropped
from protocols.ledger import LedgerVars, after
from tests.support.actors import ALICE, BOB
from tests.support.ledger_rig import (
    LEDGER,
    LEDGER_FIXED,
    START,
    TOTAL,
    Verdicts,
    countersignature,
    judged_by,
    ledger_at,
    move,
    opened_ledger,
    proposals,
)
from tests.support.network import CoreNode, Network, Said
from tests.support.playbook import Playbook

END = inputs.EndOfBatch()


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    return judged_by(monkeypatch)


@pytest.fixture
def network(verdicts: Verdicts) -> Network:
    return opened_ledger()


@pytest.fixture
def leader(network: Network) -> CoreNode:
    return network.alice


@pytest.fixture
def follower(network: Network) -> CoreNode:
    return network.bob


def reason_of(node: CoreNode) -> str:
    """Why the last message was dropped."""
    event = node.log[-1][1]
    assert isinstance(event, MessageDropped), event
    return event.reason


def result_of(*changes: Any) -> LedgerVars:
    vars_ = START
    for change in changes:
        vars_ = after(vars_, change, LEDGER_FIXED)
    return vars_


# --- opening ---


def test_both_sides_deposit_and_a_ledger_begins_at_turn_one(network: Network) -> None:
    for node in (network.alice, network.bob):
        ledger = ledger_at(node)
        assert (ledger.current, ledger.turn_num, ledger.queue) == (START, 1, ())
        assert funding_terms(node.channel(LEDGER)).deposits == (1_000, 500)
    assert network.chain.held[LEDGER] == TOTAL


# --- one update ---


def test_an_update_takes_one_proposal_and_one_countersignature(
    leader: CoreNode, follower: CoreNode
) -> None:
    change = move(10, "rent")
    (said,) = proposals(change)
    agreed = countersignature(2, result_of(change))
    assert (
        Playbook(leader)
        >> inputs.PayLedger(LEDGER, 10, "rent")
        << "ledger-update-proposed, send LedgerProposal"
        >> END
        >> Said(BOB, agreed)
        << "ledger-update-confirmed"
    )
    assert (
        Playbook(follower)
        >> Said(ALICE, said)
        << "ledger-update-received"
        >> END
        << "ledger-update-signed, send LedgerCountersignature"
        >> END
    )
    assert ledger_at(leader) == ledger_at(follower)
    assert ledger_at(leader).current == LedgerVars(990, 510)
    assert leader.channel(LEDGER).supported_turn == 2
