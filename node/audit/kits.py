"""Dispute kits: what was signed for them in advance is the newest of what all signed (M21)."""

from collections.abc import Iterator

from node.audit.channel_facts import ChannelFacts
from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from node.audit.ledger_facts import state_of
from node.verify.claims import Said, Signed
from protocols.errors import ProtocolError
from protocols.exit_events import DisputeKitExported
from protocols.state import challenge_message

REDEMPTION_TURN = 2


class KitCheck(Check):
    """A challenger's signature for another state would let a stranger leave with less."""

    name = "kits"
    judges = (DisputeKitExported,)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[Said]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if not isinstance(event, DisputeKitExported):
            return
        if event.channel_id not in self._facts.channels:
            yield "it names a channel that was never created"
        lengths = {
            len(event.channels),
            len(event.turn_nums),
            len(event.state_hashes),
            len(event.signatures),
        }
        if len(lengths) > 1 or len({*event.channels}) != len(event.channels):
            yield "its lists do not fit each other"
            return
        for channel_id, turn_num, state_hash, signature in zip(
            event.channels, event.turn_nums, event.state_hashes, event.signatures, strict=True
        ):
            name = f"channel 0x{channel_id.hex()}"
            channel = self._facts.channels.get(channel_id)
            if channel is None:
                yield f"{name} was never created"
                continue
            if not _is_newest(channel, turn_num, state_hash):
                yield f"the state of {name} is not the newest that could be registered"
            message = challenge_message(state_hash)
            yield Signed(f"the challenge of {name}", message, signature, self._facts.me)


def _is_newest(channel: ChannelFacts, turn_num: int, state_hash: bytes) -> bool:
    if channel.ledger is not None:
        ledger = channel.ledger
        try:
            agreed = state_of(ledger.fixed, ledger.asset, ledger.agreed, ledger.turn_num)
        except ProtocolError:
            return False  # The family of ledgers says why none can stand so.
        return (turn_num, state_hash) == (ledger.turn_num, agreed.state_hash())
    if channel.app is not None and channel.app.supported_count:
        newest = (channel.app.supported_count + 1, channel.app.supported_hash)
        return (turn_num, state_hash) == newest
    for found, known in channel.states.items():
        if known.turn_num == REDEMPTION_TURN:
            return (turn_num, state_hash) == (REDEMPTION_TURN, found)
    everybody = {*channel.fixed.participants}
    supported = {
        known.turn_num: found
        for found, known in channel.states.items()
        if not known.is_final and channel.signers.get(found) == everybody
    }
    return supported.get(turn_num) == state_hash and turn_num == max(supported)
