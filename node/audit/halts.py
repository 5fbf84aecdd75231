"""Halts: only by a fork that was recorded, and lifted once, for the channel that it halted."""

from collections.abc import Iterator

from node.audit.checks import Check
from node.audit.entry import Entry
from node.audit.facts import Facts
from protocols.halt_events import ChannelHalted, ChannelHaltLifted


class HaltCheck(Check):
    """A channel waits when the chain took back what counted, and for no other reason."""

    name = "halts"
    judges = (ChannelHalted, ChannelHaltLifted)

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def check(self, entry: Entry) -> Iterator[str]:
        """What is wrong with this record, given all before it."""
        event = entry.event
        if not isinstance(event, ChannelHalted | ChannelHaltLifted):
            return
        channel = self._facts.channels.get(event.channel_id)
        if channel is None:
            yield "it names a channel that was never created"
        elif isinstance(event, ChannelHaltLifted):
            if channel.halted_from != event.fork_block_num:
                yield "the channel is not halted by that fork"
        elif self._facts.fork_block_num != event.fork_block_num:
            yield "no fork at that block was recorded before"
        elif event.confirmed_block_num < event.fork_block_num:
            yield "the fork replaced nothing that counted"
