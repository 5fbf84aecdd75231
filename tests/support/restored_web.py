"""A web of nodes of which some lose the end of their logs, anywhere, and meet the others again.

Everything is drawn from one seed: how long the path is, who leads, what is paid, opened and closed,
which heads were shown, who forgets how much, and whether that was a cut or a restore.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from protocols import commands, events, inputs, messages
from protocols.channel import (
    POSTFUND_TURN,
    Channel,
    is_supported,
    supported_final,
)
from protocols.error import ProtocolError
from protocols.exit_value import exit_value, material_of
from protocols.ledger import LedgerVars, balance_total
from protocols.ledger_events import LedgerUpdateProposed, LedgerUpdateSigned
from protocols.resumption_events import LedgerJumpSigned, LedgerResumed
from protocols.types import ZERO_ADDRESS, ChannelId
from tests.support.builders import PAYMENT_APP
from tests.support.lost_records import head_of, looks_into_its_log
from tests.support.view_folds import follow
from tests.support.web import BALANCE, Web, WebNode, fund_channel

VIEW_CHANCE = 0.05
"""How often the views of a life are compared with its state: behind every twentieth record."""

SIGNING = (
    events.StateSigned,
    LedgerUpdateProposed,
    LedgerUpdateSigned,
    LedgerJumpSigned,
    LedgerResumed,
)
DIRECT_AMOUNT = 5_000

Lie = Callable[[messages.Body], messages.Body | None]
"""What becomes of a message on its way; None: it is never heard."""


class RestoredWeb(Web):
    """See above. `tell` a story, `forget`, then `meet`."""

    def __init__(self, seed: int, hop_count: int | None = None) -> None:
        self.random = random.Random(seed)
        hops = self.random.choice((0, 0, 1, 1, 2)) if hop_count is None else hop_count
        leads = frozenset(n for n in range(hops + 1) if self.random.random() < 0.5)
        super().__init__(hops, right_leads=leads)
        self.direct = fund_channel(
            self.payer, self.payee, b"drct", (DIRECT_AMOUNT, 0), ZERO_ADDRESS, PAYMENT_APP
        )
        self.virtual: list[ChannelId] = []
        self.lost: list[WebNode] = []
        self.lies: dict[bytes, Lie] = {}
        """By who tells them."""
        self._number = 0
        for node in self.row:
            node.proves_purity = False
            node._history = deque()
            looks_into_its_log(node)

    # --- before the loss ---

    def tell(self) -> None:
        """Orders and deliveries, until somebody loses records."""
        for _ in range(self.random.randint(5, 60)):
            try:
                self._happen()
            except ProtocolError:
                continue  # What cannot be ordered now is not.

    def _happen(self) -> None:
        self._number += 1
        roll, number = self.random.random(), self._number
        if roll < 0.45:
            self._deliver_some()
        elif roll < 0.6:
            self.end_batches()
        elif roll < 0.72:
            ledger_id = self.random.choice(self.ledgers)
            giver = self.random.choice([n for n in self.row if ledger_id in n.state.channels])
            amount = self.random.randint(1, 50)
            giver.feed(commands.PayLedger(ledger_id, amount, f"rent {number}"))
        elif roll < 0.82:
            self._pay_in(self.direct, number)
        elif roll < 0.87 and len(self.virtual) < 2:
            self.virtual.append(self.open(500, number.to_bytes(4, "big")))
        elif roll < 0.92 and self.virtual:
            self._pay_in(self.random.choice(self.virtual), number)
        elif roll < 0.94 and self.virtual:
            end = self.random.choice((self.payer, self.payee))
            end.feed(commands.CloseChannel(self.random.choice(self.virtual)))
        elif roll < 0.96:
            self._show_a_head()
        else:
            self.settle()

    def _pay_in(self, channel_id: ChannelId, number: int) -> None:
        identity = number.to_bytes(32, "big")
        self.payer.feed(commands.SendPayment(channel_id, self.random.randint(1, 20), identity))

    def _deliver_some(self) -> None:
        links = self.links()
        if links:
            node, to = self.random.choice(links)
            received = self.nodes[to].peer(node.actor.address).received
            waiting = [s.sequence for s in node.outbox[to]]
            if received + 1 in waiting:
                self.deliver(node, to, waiting.index(received + 1))
            if self.random.random() < 0.7:
                self.acknowledge(self.nodes[to], node.actor.address)

    def _show_a_head(self) -> None:
        node = self.random.choice(self.row)
        other = self.random.choice([one for one in self.row if one is not node])
        other.feed(inputs.PeerHead(node.actor.address, head_of(node)))

    # --- the loss ---

    def forget(self, node: WebNode, count: int | None = None) -> None:
        """The node's newest answers are gone, wherever that is; it starts again and says so."""
        most = len(node._history)
        chosen = self.random.choice((1, 2, 3, most // 4, most // 2, self.random.randint(0, most)))
        self.roll_back(node, min(most, chosen if count is None else count))
        if self.random.random() < 0.5:
            node.record(events.LogTailCut(len(node.log), 10, "000001.log"))
        else:
            offset = self.random.randrange(2**31)
            node.record(events.NodeRestored(len(node.log), bytes(32), 1, offset))
        self.lost.append(node)

    @staticmethod
    def roll_back(node: WebNode, count: int) -> None:
        """The node is what it was so many answers ago, and knows nothing of it."""
        for _ in range(count):
            before = node._history.pop()
            node.lost += [event for _, event in node.log[before.record_count :]]
            del node.log[before.record_count :]
            node.outbox = before.outbox
        node.state = node.fold()

    @staticmethod
    def count_as(liar: WebNode, other: WebNode) -> None:
        """Who forgot on purpose numbers its messages as the other expects them."""
        who, whom = liar.actor.address, other.actor.address
        known, waiting = other.peer(who), other.outbox.get(who, [])
        received = waiting[0].sequence - 1 if waiting else known.sent
        mine = replace(
            liar.peer(whom), sent=known.received, acknowledged=known.received, received=received
        )
        liar.state.peers[whom] = mine
        liar.outbox[whom] = []

    def meet(self) -> None:
        """All sessions begin anew: counts first, then heads, then everything that is told again."""
        for one in self.row:
            for other in self.row:
                if one is not other:
                    received = other.peer(one.actor.address).received
                    one.feed(inputs.PeerConnected(other.actor.address, received))
        for one in self.row:
            for other in self.row:
                held = one.peer(other.actor.address).head
                if one is not other and held is not None and one.actor.address not in self.lies:
                    known = other.context().has_head(held.length, held.root)
                    other.feed(inputs.HeldHead(one.actor.address, held, known))
        self.settle()

    def deliver(self, sender: WebNode, to: bytes, index: int = 0) -> None:  # type: ignore[override]
        """As on any wire, but that a liar may say something else."""
        lie = self.lies.get(sender.actor.address)
        if lie is None:
            super().deliver(sender, to, index)
            return
        sent = sender.outbox[to][index]
        body = lie(messages.decode_body(sent.body))
        who = sender.actor.address
        fault = "" if body is not None else "nothing"
        said = inputs.PeerMessage(who, sent.sequence, body, len(sent.body), fault)
        self.nodes[to].feed(said)

    def close(self, channel_id: ChannelId) -> None:
        """Both ends want it, whoever can; time passes for what waits for it."""
        for node in self.row:
            if channel_id in node.state.channels:
                try:
                    node.feed(commands.CloseChannel(channel_id))
                except ProtocolError:
                    continue
        self.settle()
        for _ in range(2):
            self.wait(1_300_000)
            self.settle()

    # --- what must be ---

    def pair_of(self, ledger_id: ChannelId) -> list[WebNode]:
        """The two parties."""
        return [node for node in self.row if ledger_id in node.state.channels]

    def runs(self, ledger_id: ChannelId) -> bool:
        """Neither side may only close it."""
        return not any(node.channel(ledger_id).close_only for node in self.pair_of(ledger_id))

    def agreed_turn(self, ledger_id: ChannelId) -> int:
        """The newest turn that one of the two knows to be agreed."""
        return max(node.ledger(ledger_id).turn_num for node in self.pair_of(ledger_id))

    def largest(self, channel_id: ChannelId) -> int:
        """The largest voucher that payer or payee know of."""
        ends = (self.payer, self.payee)
        known = [end.state.channels.get(channel_id) for end in ends]
        return max(0 if channel is None else channel.vouchers.total for channel in known)

    def is_open(self, channel_id: ChannelId) -> bool:
        """Every node of the path knows the channel to be open, and nobody closes it yet."""
        found = [node.state.channels.get(channel_id) for node in self.row]
        return all(
            channel is not None
            and is_supported(channel, POSTFUND_TURN)
            and not any(turn.is_final for turn in channel.turns)
            for channel in found
        )

    def nobody_equivocated(self) -> None:
        """M6, across all that was ever forgotten."""
        for node in self.row:
            self.nobody_equivocated_of(node)

    @staticmethod
    def nobody_equivocated_of(node: WebNode) -> None:
        """The same of one of them."""
        signed: dict[tuple[bytes, int], bytes] = {}
        for event in [*node.lost, *(event for _, event in node.log)]:
            if isinstance(event, SIGNING):
                key = (event.channel_id, event.turn_num)
                known = signed.setdefault(key, event.state_hash)
                assert known == event.state_hash, (node.actor.name, event)

    def books_are_right(self) -> None:
        """No money comes or goes, and what is in memory is what is on disk."""
        for node in self.row:
            for ledger_id in self.ledgers:
                channel = node.state.channels.get(ledger_id)
                if channel is not None and channel.ledger is not None:
                    assert balance_total(channel.ledger.current) == 2 * BALANCE
                    assert balance_total(channel.ledger.proposed) == 2 * BALANCE
            assert node.fold().digest() == node.state.digest()
            follow(node.log, VIEW_CHANCE, len(node.log))

    def exit_value(self, node: WebNode, *channel_ids: ChannelId) -> int:
        """M22, of what the node holds of these channels."""
        channels = [node.channel(channel_id) for channel_id in channel_ids]
        materials = [material_of(channel, PAYMENT_APP) for channel in channels]
        return exit_value(node.actor.address, materials)[ZERO_ADDRESS]

    def balances_of(self, ledger_id: ChannelId) -> LedgerVars:
        """What both say, which must be one."""
        one, other = (node.ledger(ledger_id) for node in self.pair_of(ledger_id))
        assert (one.turn_num, one.state_hash) == (other.turn_num, other.state_hash)
        assert one.current == other.current
        return one.current


def paid_by_final(channel: Channel) -> int | None:
    """What the final state that all signed gives the payee."""
    final = supported_final(channel)
    return None if final is None else channel.state(final).outcome[0].allocations[1].amount
