"""What virtual channels do to our balances: an intermediary is never worse off, all sums stay."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check, Fault, Ground
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.ledger_facts import AgreementEvent, Change
from node.audit.ledgers import has_final
from protocols.ledger import ADD, MOVE
from protocols.outcome import destination_of

POSTFUND_TURN = 1


@dataclass(slots=True)
class _Share:
    """One virtual channel as our ledgers knew it."""

    gained: int = 0
    """By both ledgers' agreed changes, smallest unit."""
    carriers: set[bytes] = field(default_factory=set)
    """Ledgers whose newest agreed state guarantees it."""


class HubCheck(Check):
    """A hub over any virtual channel: never less, its fee if it opened, nothing if unwound."""

    name = "hub"
    judges = get_args(AgreementEvent)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._shares: dict[bytes, _Share] = {}

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong once this agreement counts."""
        event = entry.event
        if not isinstance(event, AgreementEvent):
            return
        ledger = self._facts.ledger(event.channel_id)
        if ledger is None:
            return
        targets = []
        for proposal in ledger.queue:
            if proposal.turn_num <= event.turn_num and proposal.change.kind != MOVE:
                self._count(event.channel_id, proposal.change)
                targets.append(proposal.change.target)
        for target in dict.fromkeys(targets):
            channel = self._facts.channels.get(target)
            if channel is not None:
                yield from self._is_no_loss(channel, self._shares[target])

    def finish(self, ground: Ground | None = None) -> Iterator[Fault]:
        """All ledgers together, by asset: what was put in is what is there."""
        opened: dict[bytes, int] = {}
        found: dict[bytes, int] = {}
        for channel in self._facts.channels.values():
            ledger = channel.ledger
            if ledger is not None:
                opened[ledger.asset] = opened.get(ledger.asset, 0) + ledger.opening_total
                found[ledger.asset] = found.get(ledger.asset, 0) + ledger.agreed.total()
        for asset in sorted(opened):
            if opened[asset] != found[asset]:
                yield Fault(
                    f"all ledgers in 0x{asset.hex()} began with {opened[asset]}, "
                    f"now they hold {found[asset]}"
                )

    def _count(self, ledger_id: bytes, change: Change) -> None:
        share = self._shares.setdefault(change.target, _Share())
        left, right = change.gains()
        share.gained += left if change.left == destination_of(self._facts.me) else right
        if change.kind == ADD:
            share.carriers.add(ledger_id)
        else:
            share.carriers.discard(ledger_id)

    def _is_no_loss(self, channel: ChannelFacts, share: _Share) -> Iterator[str]:
        last, virtual = len(channel.participants) - 1, channel.virtual
        if virtual is None or channel.my_index is None or not 0 < channel.my_index < last:
            return
        if share.carriers:
            return
        name = f"channel 0x{channel.channel_id.hex()}"
        fee = virtual.fees[channel.my_index - 1] if channel.my_index <= len(virtual.fees) else 0
        is_opened = channel.signed_at(POSTFUND_TURN) == set(channel.participants)
        if share.gained < 0:
            yield f"as an intermediary of {name} we lost {-share.gained}"
        elif is_opened and share.gained != fee:
            yield f"{name} opened and brought us {share.gained}, our fee is {fee}"
        elif not has_final(channel) and share.gained:
            yield f"{name} was unwound and brought us {share.gained}"
