"""Guarantees: what a hub, a payer and a payee may sign for a virtual channel, rule by rule."""

import pytest
from msgspec.structs import replace

from node.audit.channel_facts import ChannelFacts
from node.audit.facts import Facts
from node.audit.guarantees import payers_amount, removal_faults
from node.audit.ledger_facts import Book, LedgerFacts
from node.audit.ledger_facts import Change as AuditedChange
from node.audit.ledgers import LedgerCheck
from node.audit.virtual_facts import VirtualFacts
from protocols import events, ledger_events, virtual_events
from protocols.ledger import REMOVE, Change
from protocols.ledger_reducers import change_of
from protocols.objectives.base import ObjectiveType, objective_id
from protocols.outcome import Allocation
from protocols.state import FixedPart, State, state_from_encoding
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from tests.support.actors import ALICE, BOB, IVAN
from tests.support.audit_cases import History, changed, inserted, messages, nth, says, without
from tests.support.audit_webs import (
    AMOUNT,
    FEE,
    folded,
    hub,
    open_hub,
    payee,
    proposed,
    target_of,
    unwound_hub,
    unwound_payee,
    unwound_payer,
)
from tests.support.network import CoreNode
from tests.support.web import fund_ledger

PROPOSED, RECEIVED = ledger_events.LedgerUpdateProposed, ledger_events.LedgerUpdateReceived
SIGNED, CONFIRMED = ledger_events.LedgerUpdateSigned, ledger_events.LedgerUpdateConfirmed
RECORDED, RENOUNCED = virtual_events.VirtualChannelRecorded, virtual_events.PostfundRenounced
ASKED = virtual_events.UnwindingAsked


def one(history: History, words: str, kind: type[events.Event], index: int = 0) -> None:
    says(LedgerCheck, history, words, nth(history, kind, index)[0])


def then(history: History, change: Change, words: str) -> None:
    """The hub proposes that to the payee behind the history."""
    ledger_id = nth(open_hub(), PROPOSED)[1].channel_id
    says(LedgerCheck, [*history, proposed(history, ledger_id, change, IVAN)], words)


def before(history: History, kind: type[events.Event], index: int = 0) -> History:
    return history[: nth(history, kind, index)[0]]


def right_addition() -> Change:
    """What the hub proposes to the payee."""
    return change_of(nth(open_hub(), PROPOSED)[1])


# --- additions ---


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"amount": AMOUNT - 1, "left_amount": AMOUNT - 1}, "guarantees 999, the prefund"),
        ({"left_amount": AMOUNT - 1}, "left puts in 999, the payer's amount is 1000"),
        ({"fee": 1}, "it moves a fee of 1, 0 was agreed"),
        ({"target": b"\x11" * 32}, "guarantees no virtual channel that we know"),
    ],
)
def test_a_guarantee_has_the_values_that_the_prefund_gives(
    fields: dict[str, object], words: str
) -> None:
    history = before(open_hub(), PROPOSED)
    assert messages(LedgerCheck, history) == []
    then(history, replace(right_addition(), **fields), words)


def test_left_is_who_is_nearer_to_the_payer() -> None:
    history, change = before(open_hub(), PROPOSED), right_addition()
    turned = replace(change, left=change.right, right=change.left)
    then(history, turned, "not the neighbours on the path (M14)")


def test_the_follower_judges_what_it_signs() -> None:
    short = changed(open_hub(), RECORDED, fees=(amount_to_bytes(FEE - 1),))
    one(short, "turn 2: it moves a fee of 7, 6 was agreed (M14)", SIGNED)


def test_a_guarantee_is_in_the_ledgers_asset() -> None:
    ledger_id = nth(open_hub(), PROPOSED)[1].channel_id
    history = before(open_hub(), PROPOSED)
    other = _other_ledger(history, asset=b"\x70" * 20)
    recorded = nth(other, RECORDED)[1]
    other = changed(other, RECORDED, right_ledger=_newest_ledger(other))
    assert recorded.right_ledger == ledger_id
    proposal = proposed(other, _newest_ledger(other), right_addition(), IVAN)
    says(LedgerCheck, [*other, proposal], "another asset than the ledger (M14)")


def _other_ledger(history: History, asset: bytes = ZERO_ADDRESS) -> History:
    """The history with a second ledger between the hub and the payee at its end."""
    node, payee_node = CoreNode(IVAN), CoreNode(BOB)
    fund_ledger(node, payee_node, b"more", (5_000, 5_000), asset)
    return [*history, *(event for _, event in node.log[1:])]


def _newest_ledger(history: History) -> bytes:
    return nth(history, events.ChannelCreated, -1)[1].channel_id


def test_a_channel_is_guaranteed_by_the_ledger_that_was_chosen() -> None:
    history = _other_ledger(before(open_hub(), PROPOSED))
    proposal = proposed(history, _newest_ledger(history), right_addition(), IVAN)
    says(LedgerCheck, [*history, proposal], "another ledger carries that channel (M17)")


def test_a_channel_is_guaranteed_by_one_ledger_of_a_pair() -> None:
    history = _other_ledger(before(open_hub(), CONFIRMED))
    recorded = nth(history, RECORDED)[1]
    newest = replace(recorded, right_ledger=_newest_ledger(history))
    history = [*history, newest]
    proposal = proposed(history, _newest_ledger(history), right_addition(), IVAN)
    says(LedgerCheck, [*history, proposal], "of the pair guarantees it too (M17)")


def test_a_guarantee_comes_after_the_whole_prefund() -> None:
    history = open_hub()
    seq, proposal = nth(history, PROPOSED)
    # The payee's signature on the prefund.
    places = [
        at
        for at, event in enumerate(history[:seq])
        if isinstance(event, events.StateReceived) and event.channel_id == proposal.target
    ]
    missing = [*history[: places[-1]], *history[places[-1] + 1 :]]
    says(LedgerCheck, missing, "prefund is not signed by all", seq - 1)


def test_a_hub_acts_on_its_right_when_its_left_is_countersigned() -> None:
    one(without(open_hub(), SIGNED), "our left guarantee is not countersigned (M14)", PROPOSED)


def test_what_was_given_up_is_guaranteed_no_more() -> None:
    target = target_of(open_hub())
    words = "the channel was given up before"
    one(inserted(open_hub(), ASKED(target, "NO", ""), PROPOSED), words, PROPOSED)
    identity = objective_id(ObjectiveType.VIRTUAL_FUND, target)
    rejected = events.ObjectiveRejected(identity, "no")
    one(inserted(open_hub(), rejected, PROPOSED), words, PROPOSED)


def test_guarantees_are_made_once() -> None:
    history = hub()
    _, proposal = nth(history, PROPOSED)
    then(history, change_of(proposal), "the channel has a final state")
    then(history, change_of(proposal), "we signed the postfund before")


# --- removals by a final state ---


def test_a_removal_splits_as_the_final_state_of_all_does() -> None:
    history = before(hub(), PROPOSED, -1)
    assert messages(LedgerCheck, history) == []
    _, removal = nth(hub(), PROPOSED, -1)
    for fields in ({"left_amount": 974}, {"left_amount": 976}, {"fee": 1}):
        wrong = replace(change_of(removal), **fields)
        then(history, wrong, "neither the split of a final state of all nor what each side")


def test_a_removal_needs_every_signature_of_the_final_state() -> None:
    words = "neither the split of a final state"
    one(without(hub(), events.StateReceived, -1), words, PROPOSED, -1)
    one(without(hub(), events.StateReceived, -1), "turn 3: it is neither", SIGNED, -1)


def test_no_removal_while_the_chain_decides() -> None:
    seen = events.ChainLogObserved(
        target_of(hub()), "ChallengeRegistered", 9, *[bytes(32)] * 2, 0, 0, ZERO_ADDRESS, bytes(32)
    )
    one(inserted(hub(), seen, PROPOSED, -1), "is challenged on chain (M16)", PROPOSED, -1)


def test_a_challenged_ledger_still_gives_guarantees_back() -> None:
    ledger_id = nth(hub(), PROPOSED)[1].channel_id
    seen = events.ChainLogObserved(
        ledger_id, "ChallengeRegistered", 9, *[bytes(32)] * 2, 0, 0, ZERO_ADDRESS, bytes(32)
    )
    assert messages(LedgerCheck, inserted(hub(), seen, PROPOSED, -1)) == []


def test_a_removal_is_of_a_channel_we_know() -> None:
    history, change = before(open_hub(), PROPOSED), replace(right_addition(), target=b"\x11" * 32)
    ledger_id = nth(open_hub(), PROPOSED)[1].channel_id
    added = proposed(history, ledger_id, change, IVAN)
    proposal = proposed([*history, added], ledger_id, replace(change, kind=REMOVE), IVAN)
    says(LedgerCheck, [*history, added, proposal], "it was for no virtual channel that we know")


# --- removals without one ---


def test_right_gives_back_what_it_will_never_need() -> None:
    hub_seq, _ = nth(unwound_hub(), RENOUNCED, -1)
    ours = without(unwound_hub(), RENOUNCED, -1)
    assert nth(unwound_hub(), RENOUNCED, -1)[1].participant == IVAN.address
    one(ours, "we have not recorded that we never sign the postfund (M16)", SIGNED, -1)
    assert hub_seq < nth(unwound_hub(), SIGNED, -1)[0]
    one(without(unwound_payee(), RENOUNCED), "we have not recorded", SIGNED, -1)


def test_a_hub_gives_its_left_guarantee_back_when_its_right_one_is_gone() -> None:
    one(without(unwound_hub(), CONFIRMED, -1), "our own right guarantee stands (M16)", SIGNED, -1)
    cut = unwound_hub()
    seq, _ = nth(cut, PROPOSED, -1)
    kept = [event for at, event in enumerate(cut) if at < seq or not isinstance(event, CONFIRMED)]
    one(kept, "our own right guarantee stands (M16)", SIGNED, -1)


def test_a_hub_that_signed_the_postfund_waits_for_a_final_state() -> None:
    history, target = unwound_hub(), target_of(unwound_hub())
    postfund = _postfund(history)
    stored = events.StateStored(target, postfund.state_hash(), postfund.encode())
    if stored not in history:
        history = inserted(history, stored, SIGNED, -1)
    signed = events.StateSigned(
        target,
        1,
        postfund.state_hash(),
        IVAN.address,
        IVAN.signer(postfund.state_hash()),
        is_final=False,
    )
    one(inserted(history, signed, SIGNED, -1), "we signed the postfund (M16)", SIGNED, -1)


def _postfund(history: History) -> State:
    channel = folded(history).channels[target_of(history)]
    return replace(channel.state(channel.turns[0]), turn_num=1)


def test_a_payee_that_took_a_voucher_waits_for_a_final_state() -> None:
    _, voucher = nth(payee(), events.VoucherReceived)
    taken = replace(voucher, channel_id=target_of(unwound_payee()))
    one(inserted(unwound_payee(), taken, SIGNED, -1), "we accepted a voucher (M16)", SIGNED, -1)


def test_with_a_final_state_at_hand_its_split_counts() -> None:
    history, target = unwound_payee(), target_of(unwound_payee())
    prefund = state_from_encoding(
        folded(history).channels[target].fixed,
        folded(history).channels[target].turns[0].encoded_state,
    )
    (exit_,) = prefund.outcome
    first, second = exit_.allocations
    shared = (replace(first, amount=AMOUNT - 5), replace(second, amount=5))
    state = State(prefund.fixed, b"", (replace(exit_, allocations=shared),), 3, True)
    facts: list[events.Event] = [events.StateStored(target, state.state_hash(), state.encode())]
    for who in (ALICE, IVAN, BOB):
        signature = who.signer(state.state_hash())
        parts = (target, 3, state.state_hash(), who.address, signature, True)
        facts.append(
            events.StateSigned(*parts) if who is BOB else events.StateReceived(*parts, "0x")
        )
    for fact in facts:
        history = inserted(history, fact, SIGNED, -1)
    one(history, "a final state of all is known: its split counts (M16)", SIGNED, -1)


def test_only_a_split_between_two_has_a_payers_amount() -> None:
    postfund = _postfund(unwound_hub())
    assert payers_amount(postfund) == AMOUNT
    assert payers_amount(replace(postfund, outcome=())) is None


def test_left_may_always_agree() -> None:
    """The payer is left: she needs no renunciation in her log, her neighbour does in its own."""
    assert messages(LedgerCheck, without(unwound_payer(), RENOUNCED)) == []


def test_after_an_end_on_chain_only_its_split_removes_a_guarantee() -> None:
    standing = [Allocation(bytes(32), 7), Allocation(bytes(32), 3)]
    fixed = FixedPart((ALICE.address, BOB.address), 1, bytes(20), 60)
    channel = ChannelFacts(fixed.channel_id(), fixed, 0, is_expired=True)
    channel.virtual, channel.first_standing = VirtualFacts(), standing
    facts = Facts()
    facts.channels[channel.channel_id] = channel
    carrier = ChannelFacts(b"\x01" * 32, fixed, 0)
    nothing = Book({})
    ledger = LedgerFacts(fixed, bytes(20), 10, 1, nothing, nothing)

    def faults(left_amount: int, fee: int = 0) -> list[str]:
        target = channel.channel_id
        change = AuditedChange(REMOVE, target, 10, bytes(32), bytes(32), left_amount, fee, "")
        return list(removal_faults(facts, carrier, ledger, change))

    assert faults(7) == []
    assert "on chain" in faults(6)[0]
    assert "on chain" in faults(7, fee=1)[0]
