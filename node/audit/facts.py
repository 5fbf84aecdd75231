"""What the log has said so far, in the audit's own words: the ground that later records stand on.

This is a second, independent fold. It shares the encodings of `protocols` (what is signed is what
the contracts check) and none of the reducers, so a wrong reducer does not vouch for itself.
"""

from node.audit.channel_facts import ChannelFacts, apply_to_channel
from node.audit.ledger_facts import LedgerFacts, opened
from protocols import events, resumption_events
from protocols.app_events import AppDefinitionRecorded
from protocols.errors import ProtocolError
from protocols.state import FixedPart
from protocols.transaction_events import TransactionReplaced


class Facts:
    """The node and all its channels. `apply` after the checks of a record have seen it."""

    def __init__(self) -> None:
        self.node: events.NodeCreated | None = None
        self.app_definitions: dict[bytes, str] = {}
        """By contract: its rule."""
        self.channels: dict[bytes, ChannelFacts] = {}
        self.objectives: dict[bytes, events.ObjectiveCreated] = {}
        self.transactions: dict[bytes, events.TransactionRequested] = {}
        self.tx_hashes: dict[bytes, bytes] = {}
        """Intent -> hash of the transaction that was signed for it last."""
        self.replaced_hashes: dict[bytes, set[bytes]] = {}
        """Intent -> hashes of those before it, under the same nonce."""
        self.nonces: dict[bytes, int] = {}
        """Intent -> the nonce of what was signed for it."""
        self.fork_block_num = -1
        """Where the chain forked last."""
        self._ledger_ids: dict[frozenset[bytes], list[bytes]] = {}
        """Open ledgers by their two parties."""
        self.has_cut_tail = False
        """The log lost an end once: what it held may be known to others (M27)."""

    @property
    def me(self) -> bytes:
        """Our address; empty before record 0."""
        return b"" if self.node is None else self.node.node_address

    def is_ledger(self, channel: ChannelFacts) -> bool:
        """Whether the channel runs on the deployment's consensus app."""
        node = self.node
        return node is not None and channel.fixed.app_definition == node.consensus_app

    def ledger(self, ledger_id: bytes) -> LedgerFacts | None:
        """What is known of an open ledger."""
        channel = self.channels.get(ledger_id)
        return None if channel is None else channel.ledger

    def ledgers_of_pair(self, channel: ChannelFacts) -> list[bytes]:
        """All ledgers that ever opened between a ledger's two parties, oldest first."""
        return self._ledger_ids.get(frozenset(channel.participants), [])

    def is_guaranteed(self, ledger_id: bytes, target: bytes) -> bool:
        """Whether the newest state of the ledger that both signed guarantees the target."""
        ledger = self.ledger(ledger_id)
        return ledger is not None and target in ledger.agreed.guarantees

    def may_stand(self, ledger_id: bytes, target: bytes) -> bool:
        """Whether a state that we signed, and no newer one of both replaced, may guarantee it."""
        ledger, channel = self.ledger(ledger_id), self.channels.get(ledger_id)
        if ledger is None or channel is None:
            return False
        waits = any(proposal.change.target == target for proposal in ledger.queue)
        return target in ledger.agreed.guarantees or (channel.my_index == 0 and waits)

    def carrier(self, channel: ChannelFacts) -> ChannelFacts | None:
        """The ledger that guarantees an end of a virtual channel its money; None for others."""
        virtual = channel.virtual
        if virtual is None:
            return None
        own = virtual.right_ledger if channel.my_index == 0 else virtual.left_ledger
        return self.channels.get(own)

    def is_funded(self, channel: ChannelFacts) -> bool:
        """Whether what the channel may pay out is there: deposited, or guaranteed to us (M11)."""
        if channel.virtual is None:
            return channel.holds_deposits()
        carrier = self.carrier(channel)
        if carrier is None or carrier.ledger is None:
            return False
        guarantee = carrier.ledger.agreed.guarantees.get(channel.channel_id)
        return guarantee is not None and guarantee.amount == channel.deposit()

    def apply(self, event: events.Event) -> None:
        """Take one more record for granted; what it says was judged before."""
        match event:
            case events.NodeCreated():
                self.node = event
            case AppDefinitionRecorded():
                self.app_definitions[event.app_definition] = event.rule
            case events.ChannelCreated():
                self._channel_created(event)
            case events.ObjectiveCreated():
                self.objectives[event.objective_id] = event
            case events.ObjectiveCompleted() | events.ObjectiveRejected():
                self._objective_ended(event)
            case events.TransactionRequested():
                self.transactions[event.intent_id] = event
            case events.TransactionSubmitted():
                self.tx_hashes[event.intent_id] = event.tx_hash
                self.nonces[event.intent_id] = event.nonce
            case TransactionReplaced():
                self.tx_hashes[event.intent_id] = event.tx_hash
                self.replaced_hashes.setdefault(event.intent_id, set()).add(event.old_tx_hash)
            case events.LogTailCut() | events.NodeRestored():
                self._lost()
            case resumption_events.HeldHeadCompared():
                self._compared(event)
            case events.ChainReorged():
                self.fork_block_num = event.fork_block_num
                for channel in self.channels.values():
                    channel.retract(lambda known: known[0] >= event.fork_block_num)
            case _:
                channel_id = getattr(event, "channel_id", None)
                known = self.channels.get(channel_id) if isinstance(channel_id, bytes) else None
                if known is not None:
                    apply_to_channel(known, event, self.me)
                    self._open_ledger(known, event)

    def _compared(self, event: resumption_events.HeldHeadCompared) -> None:
        if not event.explained:
            self._lost()
        if event.agrees:
            return
        for channel in self.channels.values():
            if channel.ledger is not None and event.peer in channel.participants:
                channel.is_head_lost |= channel.is_close_only

    def _lost(self) -> None:
        """Records are lost: every channel may only be closed (M27)."""
        self.has_cut_tail = True
        for channel in self.channels.values():
            channel.is_close_only = True
            if channel.ledger is not None:
                channel.ledger.forget_resumption()

    def _open_ledger(self, channel: ChannelFacts, event: events.Event) -> None:
        if not isinstance(event, events.StateSupportedUpdated) or event.supported_turn != 1:
            return
        postfund = channel.states.get(event.state_hash)
        if self.is_ledger(channel) and postfund is not None:
            channel.ledger = opened(postfund)
            self._ledger_ids.setdefault(frozenset(channel.participants), []).append(
                channel.channel_id
            )

    def _channel_created(self, event: events.ChannelCreated) -> None:
        try:
            fixed = FixedPart(
                event.participants,
                event.channel_nonce,
                event.app_definition,
                event.challenge_duration,
            )
        except ProtocolError:
            return
        mine = event.participants.index(self.me) if self.me in event.participants else None
        self.channels.setdefault(event.channel_id, ChannelFacts(event.channel_id, fixed, mine))

    def _objective_ended(self, event: events.ObjectiveCompleted | events.ObjectiveRejected) -> None:
        objective = self.objectives.get(event.objective_id)
        channel = self.channels.get(objective.channel_id) if objective is not None else None
        if objective is None or channel is None:
            return
        if isinstance(event, events.ObjectiveRejected):
            channel.rejected.add(objective.objective_type)
        elif event.success:
            channel.completed.add(objective.objective_type)
