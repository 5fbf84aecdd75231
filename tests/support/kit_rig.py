"""Dispute kits over the pure core: exported by one node, run by a stranger who has nothing else."""

from __future__ import annotations

from msgspec.structs import replace

from protocols import commands, inputs
from protocols.channel import is_withdrawn
from protocols.crypto import Signer
from protocols.dispute_kit import DisputeKit, checksum_of, decode_kit, encode_kit
from protocols.dispute_making import Exported, kit_steps
from protocols.dispute_reading import Case, read_kit
from protocols.draft import Context
from protocols.exit_errors import LeavingRefused
from protocols.exit_events import DisputeKitExported
from protocols.steps import finished
from protocols.types import ChannelId
from tests.support.actors import Actor
from tests.support.builders import DURATION_S
from tests.support.model_chain import ModelChain
from tests.support.network import CoreNode

STEP_COUNT_MAX = 200


def export(node: CoreNode, channel_id: ChannelId, *, sealed: bool = False) -> DisputeKit:
    """The kit, through the bytes of its file."""
    result = node.feed(commands.ExportDisputeKit(channel_id, sealed))
    event = result.events[-1]
    assert isinstance(event, DisputeKitExported)
    exported = Exported(event, len(node.log) - 1, b"\x07" * 32, node.now_ms, 2)
    kit = finished(kit_steps(node.state, exported))
    assert kit is not None
    return decode_kit(encode_kit(kit))


def again(kit: DisputeKit) -> DisputeKit:
    """The kit with a checksum that fits what was changed in it."""
    return replace(kit, checksum=checksum_of(kit))


class Stranger(CoreNode):
    """Who runs a kit: nothing but what is in it, and maybe the account's key."""

    def __init__(self, actor: Actor, case: Case, key: Signer | None = None) -> None:
        super().__init__(actor)
        self.case = case
        self.state = case.state
        self._sign = case.signer(key)

    def context(self) -> Context:
        """What a crank is told now: whoever runs it signs nothing that the kit does not hold."""
        return replace(super().context(), signer=self._sign)


def stranger(owner: CoreNode, kit: DisputeKit, key: Signer | None = None) -> Stranger:
    """The owner is gone; somebody else has the kit."""
    found = Stranger(owner.actor, read_kit(kit), key)
    found.now_ms = owner.now_ms
    return found


class StillRunning(AssertionError):
    """It never came to its end."""


def facts_since(chain: ModelChain, block_num: int) -> list[inputs.Input]:
    """What a follower that begins behind that block hears: all of it is buried by then."""
    found: list[inputs.Input] = []
    for block in chain.blocks[block_num:]:
        found += block.logs
        found += [replace(log, confirmed=True) for log in block.logs]
    newest = chain.blocks[-1]
    found.append(inputs.ChainHead(newest.number, newest.block_hash, newest.time_s))
    return found


def run(chain: ModelChain, who: Stranger, step_count_max: int = STEP_COUNT_MAX) -> int:
    """The kit is run to its end on that chain, all alone; what it brought, smallest unit.

    The chain's facts since the kit was made are the first that it hears.
    """
    address = who.actor.address
    before = chain.paid.get(address, 0)
    stood: set[ChannelId] = set()
    for _ in range(step_count_max):
        for channel_id in who.case.funded:
            try:
                who.feed(commands.ExitChannel(channel_id))
            except LeavingRefused as refusal:
                if not is_withdrawn(who.channel(channel_id)):
                    raise StillRunning(str(refusal)) from refusal
        if all(is_withdrawn(who.channel(known)) for known in who.case.funded):
            return chain.paid.get(address, 0) - before
        _step(chain, who)
        kept = chain.disputes.kept
        running = {known for known in kept if kept[known].finalizes_at > chain.time_s}
        if running - stood:
            for _ in range(4):
                _step(chain, who)
            stood |= running
            chain.pass_time(DURATION_S)
    raise StillRunning("it never came to its end")


def _step(chain: ModelChain, who: Stranger) -> None:
    _orders(chain, who)
    chain.mine()
    feed = chain.feeds[who.actor.address]
    while feed:
        who.feed(feed.pop(0))
        _orders(chain, who)
    who.now_ms += 10_000
    who.feed(inputs.Tick())
    _orders(chain, who)


def _orders(chain: ModelChain, who: Stranger) -> None:
    orders, who.submissions = who.submissions, []
    for order in orders:
        chain.sign(who.actor.address, order)
    broadcasts, who.broadcasts = who.broadcasts, []
    for signed in broadcasts:
        chain.broadcast(signed)
