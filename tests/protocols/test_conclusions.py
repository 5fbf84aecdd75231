"""What finalises by a conclusion: as the chain tells it, as we signed it, or unknown (ADR 0072)."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from protocols.abi import decode_outcome, encode_outcome
from protocols.channel import Channel
from protocols.compact_state import compacted
from protocols.conclusions import Conclusion, concluded_with
from protocols.crypto import keccak256
from protocols.ledger import LedgerVars, ledger_state
from protocols.objectives.base import ObjectiveType
from protocols.outcome import Outcome
from tests.support.builders import CHANNEL, DEPOSIT, chain_log, split
from tests.support.conclusions import conclude, concluded_with_refused, forgetful_payer
from tests.support.exit_rig import is_completed, paid_to, until
from tests.support.ledger_rig import LEDGER, LEDGER_FIXED, opened_ledger
from tests.support.network import opened
from tests.support.playbook import names

WITHDRAW = ObjectiveType.WITHDRAW


def test_the_payer_is_paid_by_the_final_state_that_was_used() -> None:
    network, alice = concluded_with_refused()
    until(network, alice, lambda: is_completed(alice, WITHDRAW, CHANNEL))
    assert paid_to(network, alice) == DEPOSIT - 20
    sent = [event.kind for event in alice.events_of("transaction-requested")]
    assert sent.count("transfer") == 1, "none was refused"
    assert alice.fold().digest() == alice.state.digest()


@pytest.mark.parametrize("place", [0, 1], ids=["leader", "follower"])
def test_a_party_of_a_ledger_that_forgot_its_final_state_is_paid(place: int) -> None:
    network = opened_ledger()
    node, paid = (network.alice, network.bob)[place], (900, 600)
    node.lose_tail()
    terms = LedgerVars(*paid)
    conclude(network, ledger_state(LEDGER_FIXED, bytes(20), terms, 99, is_final=True))
    until(network, node, lambda: is_completed(node, WITHDRAW, LEDGER))
    assert paid_to(network, node) == paid[place]
    assert node.fold().digest() == node.state.digest()


def two_assets(channel: Channel) -> Channel:
    """The same channel, begun with a second asset: as a log of another node may hold it."""
    (exit_,) = channel.state(channel.turns[0]).outcome
    second = replace(exit_, asset=b"\x70" * 20)
    state = replace(channel.state(channel.turns[0]), outcome=(exit_, second))
    encoded = state.encode()
    turn = replace(
        channel.turns[0], state_hash=keccak256(encoded), compact_state=compacted(encoded)
    )
    return replace(channel, turns=(turn, *channel.turns[1:]))


def test_amounts_are_told_asset_by_asset() -> None:
    channel = two_assets(opened().bob.channel())
    told = (DEPOSIT - 1, 1, 0, DEPOSIT)
    found = concluded_with(channel, told)
    outcome: Outcome = decode_outcome(found.outcome)
    assert tuple(share.amount for exit_ in outcome for share in exit_.allocations) == told
    assert found.amounts == told
    # Only within one asset can money move.
    assert concluded_with(channel, (DEPOSIT + 1, 0, 0, DEPOSIT - 1)) == Conclusion()


@pytest.mark.parametrize(
    "told",
    [(), (DEPOSIT,), (DEPOSIT, 0, 0), (DEPOSIT - 20, 21), (DEPOSIT + 1, 0), (0, 0)],
    ids=["none", "too few", "too many", "a higher sum", "more than all", "a lower sum"],
)
def test_amounts_that_fit_no_final_state_leave_our_newest(told: tuple[int, ...]) -> None:
    alice = forgetful_payer(20, 30)
    newest = encode_outcome(split(30))
    assert concluded_with(alice.channel(), told) == Conclusion(newest)
    assert concluded_with(opened().bob.channel(), told) == Conclusion()


def test_what_the_log_records_tells_a_told_outcome_from_a_guess() -> None:
    for told, kept in (((DEPOSIT - 5, 5), 2), ((DEPOSIT, 5), 0)):
        alice = forgetful_payer(30)
        alice.feed(chain_log("Concluded", 9, confirmed=False, number=7, amounts=told))
        (seen,) = alice.events_of("chain-log-observed")[-1:]
        assert len(seen.amounts) == kept
        assert seen.outcome == encode_outcome(split(5 if kept else 30))


def test_amounts_that_an_endpoint_made_up_are_taken_back_once_the_block_counts() -> None:
    alice = forgetful_payer(20, 30)
    lie = chain_log("Concluded", 9, confirmed=False, number=7, amounts=(DEPOSIT - 25, 25))
    alice.feed(lie)
    truth = replace(lie, confirmed=True, amounts=(DEPOSIT - 20, 20))
    first = ["chain-log-refuted", "chain-log-observed", "channel-concluded"]
    assert names(alice.feed(truth))[:3] == first
    known = alice.channel().adjudicated
    assert known is not None
    assert known.outcome == encode_outcome(split(20))
    assert alice.fold().digest() == alice.state.digest()
