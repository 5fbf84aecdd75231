"""What virtual channels weigh on a node is the sum of those that count now, whatever happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from protocols import events
from protocols.carried import Carried, share_of
from protocols.channel import Channel, Virtual
from protocols.state import FixedPart
from protocols.types import ZERO_ADDRESS, amount_to_bytes
from protocols.virtual_events import VirtualChannelRecorded
from tests.support.actors import ALICE, BOB, IRENE, IVAN
from tests.support.builders import DURATION_S, PAYMENT_APP
from tests.support.carried_channels import LEFT, PATH, RIGHT, Folded, approved


def test_a_channel_weighs_on_both_neighbours_and_both_ledgers_of_an_intermediary() -> None:
    folded = Folded(IVAN.address)
    approved(folded, 1, 100)
    carried = folded.carried
    assert carried.exposure == {
        (ALICE.address, ZERO_ADDRESS): 100,
        (IRENE.address, ZERO_ADDRESS): 100,
    }
    assert carried.count == {LEFT: 1, RIGHT: 1}
    assert carried.amount_as_hub == {ZERO_ADDRESS: 100}


def test_an_end_has_one_neighbour_one_ledger_and_carries_nothing_for_others() -> None:
    for me, peer, ledger in ((ALICE, IVAN, RIGHT), (BOB, IRENE, LEFT)):
        folded = Folded(me.address)
        approved(folded, 1, 100)
        assert folded.carried.exposure == {(peer.address, ZERO_ADDRESS): 100}
        assert folded.carried.count == {ledger: 1}
        assert not folded.carried.amount_as_hub


def test_a_proposal_that_nobody_approved_weighs_nothing() -> None:
    folded = Folded(IVAN.address)
    folded.propose(1, 100)
    assert not folded.carried.shares


def test_it_weighs_too_when_its_ledgers_are_recorded_after_the_approval() -> None:
    folded = Folded(IVAN.address)
    identity = folded.propose(1, 100)
    channel_id = folded.state.objectives[identity].channel_id
    recorded = VirtualChannelRecorded(channel_id, LEFT, RIGHT, (amount_to_bytes(7),) * 2)
    folded.apply(events.ObjectiveApproved(identity))
    folded.apply(recorded)
    assert folded.carried.count == {LEFT: 1, RIGHT: 1}


def test_a_ledger_that_is_known_later_counts_from_then_on_and_the_channel_once() -> None:
    folded = Folded(BOB.address)
    identity = approved(folded, 1, 100)
    channel_id = folded.state.objectives[identity].channel_id
    fees = (amount_to_bytes(7),) * 2
    for left, count in ((b"", {}), (LEFT, {LEFT: 1})):
        folded.apply(VirtualChannelRecorded(channel_id, left, b"", fees))
        assert folded.carried.count == count
        assert folded.carried.exposure == {(IRENE.address, ZERO_ADDRESS): 100}
    folded.end(identity)
    assert not folded.carried.count
    assert not folded.carried.exposure


def test_a_channel_without_a_prefund_weighs_nothing_yet() -> None:
    fixed = FixedPart(PATH, 1, PAYMENT_APP, DURATION_S)
    carried = Carried()
    carried.take(Channel(fixed.channel_id(), fixed, 1, virtual=Virtual(LEFT, RIGHT, (1, 2))))
    assert not carried.shares


def test_a_rejected_channel_weighs_nothing_any_more() -> None:
    folded = Folded(IVAN.address)
    identity = approved(folded, 1, 100)
    folded.apply(events.ObjectiveRejected(identity, "no", "OWNER_REJECTED"))
    assert not folded.carried.exposure
    assert not folded.carried.count
    channel = folded.state.channels[folded.state.objectives[identity].channel_id]
    assert channel.rejected


def test_an_unwound_channel_weighs_nothing_and_earned_nothing() -> None:
    folded = Folded(IVAN.address)
    identity = approved(folded, 1, 100)
    folded.apply(events.ObjectiveCompleted(identity, False, b"\0" * 32))
    assert not folded.carried.shares
    assert not folded.carried.fees_earned


def test_an_open_channel_weighs_until_it_is_closed_and_its_fee_stays() -> None:
    folded = Folded(IRENE.address)
    identity = approved(folded, 1, 100)
    folded.apply(events.ObjectiveCompleted(identity, True, b"\0" * 32))
    assert folded.carried.amount_as_hub == {ZERO_ADDRESS: 100}
    folded.end(identity)
    assert not folded.carried.amount_as_hub
    # The second intermediary's own fee, not the first one's.
    assert folded.carried.fees_earned == {ZERO_ADDRESS: 8}


def test_ends_earn_no_fees() -> None:
    folded = Folded(BOB.address)
    identity = approved(folded, 1, 100)
    folded.apply(events.ObjectiveCompleted(identity, True, b"\0" * 32))
    assert not folded.carried.fees_earned


STEPS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["approve", "reject", "end"])))


@given(STEPS)
def test_the_sums_are_those_of_the_channels_that_count(steps: list[tuple[int, str]]) -> None:
    folded = Folded(IVAN.address)
    proposed = [folded.propose(number, 10**number) for number in range(6)]
    for number, step in steps:
        identity = proposed[number]
        if step == "approve":
            folded.apply(events.ObjectiveApproved(identity))
        elif step == "reject":
            folded.apply(events.ObjectiveRejected(identity, "no", "OWNER_REJECTED"))
        else:
            folded.end(identity)
        channels = [folded.state.channels[key] for key in folded.carried.shares]
        total = sum(share_of(channel).amount for channel in channels)
        assert sum(folded.carried.exposure.values()) == 2 * total
        assert folded.carried.amount_as_hub.get(ZERO_ADDRESS, 0) == total
        assert sum(folded.carried.count.values()) == 2 * len(channels)
