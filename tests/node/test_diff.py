"""What changed between two states, channel by channel."""

from __future__ import annotations

from node.diff import ChannelChange, channel_change, channel_ids
from protocols import virtual_events
from protocols.channel import ChannelStatus
from protocols.node_state import NodeState, apply
from protocols.objectives.base import ObjectiveType
from tests.support import audit_cases, audit_webs
from tests.support.audit_cases import History
from tests.support.audit_webs import AMOUNT, folded, target_of


def changes(before: NodeState, after: NodeState) -> list[ChannelChange]:
    found = (channel_change(before, after, key) for key in channel_ids(before, after))
    return [change for change in found if change is not None]


def cut(history: History, name: str) -> NodeState:
    """The state right before the first record of that name."""
    place = next(seq for seq, event in enumerate(history) if name == event.NAME)
    return folded(history[:place])


def test_nothing_changes_from_a_moment_to_itself() -> None:
    for history in (audit_cases.alice(), audit_webs.hub()):
        assert changes(folded(history), folded(history)) == []
        assert changes(NodeState(), NodeState()) == []


def test_a_channel_that_was_made_in_between_has_nothing_before() -> None:
    (change,) = changes(NodeState(), cut(audit_cases.alice(), "voucher-issued"))
    assert change.before is None
    assert change.after is not None
    assert change.after.status == ChannelStatus.OPEN
    assert change.after.shares.theirs == 0
    assert change.after.shares.ours == change.after.confirmed > 0
    (began,) = change.objectives
    assert (began.before, began.either.objective_type) == (None, ObjectiveType.DIRECT_FUND)


def test_payments_and_the_close_of_a_channel_are_shown_from_both_sides() -> None:
    for history, is_payer in ((audit_cases.alice(), True), (audit_cases.bob(), False)):
        name = "voucher-issued" if is_payer else "voucher-received"
        before, after = cut(history, name), folded(history)
        (change,) = changes(before, after)
        assert change.before is not None
        assert change.after is not None
        assert (change.before.status, change.after.status) == ("open", "closed")
        paid = change.after.paid
        assert paid > 0
        rise = change.after.shares.ours - change.before.shares.ours
        assert rise == (-paid if is_payer else paid)
        assert change.after.payment_count > change.before.payment_count == 0
        types = [found.either.objective_type for found in change.objectives]
        assert ObjectiveType.DIRECT_DEFUND in types


def test_guarantees_that_come_and_go_are_those_of_the_ledger() -> None:
    opening, closing = audit_webs.open_hub(), audit_webs.hub()
    target = target_of(opening)
    before = cut(opening, "virtual-channel-recorded")
    ledgers = [change for change in changes(before, folded(opening)) if change.added]
    assert len(ledgers) == 2
    for change in ledgers:
        (added,) = change.added
        assert (added.target, added.amount, change.removed) == (target, AMOUNT, ())
        assert change.after is not None
        assert change.after.shares.guaranteed == AMOUNT
    for change in changes(folded(opening), folded(closing)):
        if change.channel.ledger is not None:
            assert [gone.target for gone in change.removed] == [target]
            assert change.added == ()


def test_a_pruned_channel_is_shown_as_it_stood() -> None:
    history = audit_webs.denied_hub()
    before, after = folded(history), folded(history)
    target = target_of(history)
    apply(after, virtual_events.VirtualChannelPruned(target), 0)
    assert list(channel_ids(before, after))[-1] == target
    (change,) = changes(before, after)
    assert (change.channel.channel_id, change.after) == (target, None)
    assert change.before is not None
    assert change.before.status == ChannelStatus.REJECTED
    (gone,) = change.objectives
    assert gone.after is None


def test_a_channel_without_its_prefund_is_not_shown_yet() -> None:
    history = audit_cases.alice()
    place = next(n for n, event in enumerate(history) if event.NAME == "channel-created")
    after = folded(history[: place + 1])
    assert len(after.channels) == 1
    assert changes(NodeState(), after) == []
