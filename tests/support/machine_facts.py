"""What a state machine over a web sees of its nodes: what they recorded since the last step."""

from __future__ import annotations

from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from protocols import events, ledger_events, payment_events
from protocols.channel import (
    Channel,
)
from protocols.event import Event
from protocols.ledger import (
    MOVE,
    parties,
)
from protocols.objectives.base import ObjectiveStatus
from tests.support.machine_web import Life, MachineWeb, Watch
from tests.support.web import WebNode

SIGNED = (
    events.StateSigned,
    ledger_events.LedgerUpdateProposed,
    ledger_events.LedgerUpdateSigned,
)
PROPOSED = (ledger_events.LedgerUpdateProposed, ledger_events.LedgerUpdateReceived)
Proposed = ledger_events.LedgerUpdateProposed | ledger_events.LedgerUpdateReceived
AGREED = (
    ledger_events.LedgerUpdateSigned,
    ledger_events.LedgerUpdateConfirmed,
    ledger_events.LedgerCountersignatureSeen,
)
ISSUED = (events.VoucherIssued, payment_events.VoucherCreated)
OVER = (ObjectiveStatus.COMPLETED, ObjectiveStatus.REJECTED)


class Facts(RuleBasedStateMachine):
    """The web, and what its nodes recorded since the last step."""

    web: MachineWeb

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = False
        self.touched: list[WebNode] = []
        """The nodes that recorded something in the last step."""
        self.fresh: dict[bytes, list[Event]] = {}
        """What they recorded, by address."""

    def check_invariants(self, *arguments: Any) -> None:
        """After every step: first read what is new."""
        if self.has_begun:
            self.look()
        super().check_invariants(*arguments)

    def look(self) -> None:
        """Read what the nodes recorded since the last time."""
        self.fresh = {node.actor.address: self.web.news(node) for node in self.web.row}
        self.touched = [node for node in self.web.row if self.fresh[node.actor.address]]
        for node in self.touched:
            watch = self.web.watches[node.actor.address]
            for event in self.fresh[node.actor.address]:
                note_money(watch, node, event)

    def watch(self, node: WebNode) -> Watch:
        return self.web.watches[node.actor.address]

    def channels(self, node: WebNode) -> list[Channel]:
        """All channels of a node."""
        return [node.channel(channel_id) for channel_id in node.state.channels]

    def lives(self, node: WebNode) -> list[tuple[Life, Channel]]:
        """The virtual channels that the node knows."""
        known = node.state.channels
        return [
            (life, node.channel(life.channel_id))
            for life in self.web.lives
            if life.channel_id in known
        ]


def note_money(watch: Watch, node: WebNode, event: Event) -> None:
    """Moves in ledgers: given when signed by us, taken when agreed."""
    if isinstance(event, ledger_events.LedgerPaymentAsked):
        watch.asked.add((event.channel_id, event.request_id))
    elif isinstance(event, PROPOSED) and event.kind == MOVE:
        note_move(watch, node.channel(event.channel_id), event)
    elif isinstance(event, ledger_events.LedgerUpdateRefused):
        key = (event.channel_id, event.turn_num)
        if key in watch.moved:
            amount, is_away, _ = watch.moved.pop(key)
            watch.undone.append((event.channel_id, amount, not is_away))
    elif isinstance(event, AGREED):
        follows = node.channel(event.channel_id).my_index == 1
        for ledger_id, turn_num in sorted(watch.moved):
            if ledger_id == event.channel_id and turn_num <= event.turn_num:
                amount, is_away, was_asked = watch.moved.pop((ledger_id, turn_num))
                if not is_away:
                    watch.taken[ledger_id] += amount
                elif follows and was_asked:
                    watch.given[ledger_id] += amount


def note_move(watch: Watch, channel: Channel, event: Proposed) -> None:
    """A leader gives what it signs; a follower what it asked to give (M15), and nothing else."""
    ledger_id = event.channel_id
    is_away = event.left == parties(channel.fixed)[channel.my_index]
    amount = int.from_bytes(event.amount, "big")
    if (ledger_id, amount, is_away) in watch.undone:
        watch.undone.remove((ledger_id, amount, is_away))
        return
    if is_away and channel.my_index == 0:
        watch.given[ledger_id] += amount
    was_asked = (ledger_id, event.request_id) in watch.asked
    watch.moved[ledger_id, event.turn_num] = (amount, is_away, was_asked)
