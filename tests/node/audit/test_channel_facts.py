"""One channel, folded record by record from what its parts say."""

from node.audit.channel_facts import ChannelFacts, apply_to_channel, covered_by
from protocols import events, ledger_events, payment_events, virtual_events
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB
from tests.support.builders import CHANNEL, FIXED, final, state
from tests.support.network import opened


def empty() -> ChannelFacts:
    return ChannelFacts(CHANNEL, FIXED, 0)


def told(*facts: events.Event) -> ChannelFacts:
    channel = empty()
    for fact in facts:
        apply_to_channel(channel, fact, ALICE.address)
    return channel


def listed(number: int, amount: int) -> events.Event:
    return payment_events.PaymentListed(CHANNEL, bytes((number,)) * 32, amount_to_bytes(amount))


def receipt(total: int, count: int) -> events.ReceiptReceived:
    return events.ReceiptReceived(CHANNEL, amount_to_bytes(total), count, bytes(32), bytes(65))


BATCH = payment_events.BatchIssued(CHANNEL, bytes(32), amount_to_bytes(5), 2, bytes(65))


def test_a_list_counts_with_its_voucher() -> None:
    channel = told(listed(1, 2), listed(2, 3))
    assert (channel.total, channel.pending) == (0, [])
    channel = told(listed(1, 2), listed(2, 3), BATCH)
    assert (channel.total, channel.listed) == (5, [])
    assert [(p.total, p.ends_list) for p in channel.pending] == [(2, False), (5, True)]
    assert channel.payment_ids == {b"\x01" * 32, b"\x02" * 32}
    assert told(BATCH).pending == []


def test_a_receipt_covers_a_count_or_all_within_its_total() -> None:
    channel = told(listed(1, 2), listed(2, 3), BATCH)
    assert [p.total for p in covered_by(channel, receipt(5, 1))] == [2]
    assert [p.total for p in covered_by(channel, receipt(4, 0))] == [2]
    assert told(listed(1, 2), listed(2, 3), BATCH, receipt(5, 0)).pending == []


def test_a_voucher_by_hand_is_the_largest_and_nothing_waits() -> None:
    taken = payment_events.VoucherTaken(CHANNEL, amount_to_bytes(4), amount_to_bytes(4), bytes(65))
    channel = told(taken)
    assert (channel.total, channel.pending) == (4, [])


def test_signatures_are_found_by_turn_and_a_final_state_by_all_of_them() -> None:
    channel = empty()
    for known, signers in ((state(1), (ALICE,)), (final(5), (ALICE, BOB)), (final(6, 4), (BOB,))):
        channel.states[known.state_hash()] = known
        channel.signers[known.state_hash()] = {who.address for who in signers}
    assert channel.signed_at(1) == {ALICE.address}
    assert channel.signed_at(9) == set()
    assert channel.supported_final() == final(5)
    assert empty().supported_final() is None


def test_what_belongs_to_no_ledger_and_no_path_changes_nothing() -> None:
    refused = ledger_events.LedgerUpdateRefused(CHANNEL, 2, "NO", "")
    asked = virtual_events.UnwindingAsked(CHANNEL, "NO", "")
    assert told(refused, asked) == empty()
    virtual = told(virtual_events.VirtualChannelRecorded(CHANNEL, b"", bytes(32), ()), asked)
    assert virtual.virtual is not None
    assert virtual.virtual.is_given_up


def test_deposits_are_held_when_they_cover_the_prefund() -> None:
    network = opened()
    facts = [
        event for _, event in network.alice.log if getattr(event, "channel_id", b"") == CHANNEL
    ]
    assert told(*facts).holds_deposits()
    assert told(*facts).deposit() == 10**18
    assert not empty().holds_deposits()
