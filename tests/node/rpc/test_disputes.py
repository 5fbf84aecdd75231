"""`dispute_export`: recorded first; a node that goes on too fast for a kit says so."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from node.answers import Answer, Done, LogEntry, Until
from node.explain.story import Fact
from node.rpc.disputes import EXPORT_COUNT_MAX, DisputeExportParams, dispute_export
from node.rpc.methods import METHODS
from protocols import commands, inputs
from protocols.dispute_kit import DisputeKit
from protocols.dispute_reading import read_kit
from protocols.errors import UnknownChannel
from protocols.exit_errors import KitNotMade
from protocols.types import to_hex
from tests.support.builders import CHANNEL
from tests.support.ledger_rig import LEDGER, opened_ledger
from tests.support.network import CoreNode, Network, opened, pay
from tests.support.rpc_node import RecordingNode


class Exporting(RecordingNode):
    """A node whose commands are carried out at once by a core."""

    def __init__(self, core: CoreNode) -> None:
        super().__init__(core.actor)
        self.core = core
        self.state = core.state

    def command_then(self, command: inputs.Input, until: Until, done: Done) -> bool:
        """Crank and fold it, then tell."""
        self.commands.append(command)
        try:
            self.core.feed(command)
        except UnknownChannel as refusal:
            done(refusal)
            return True
        done(Answer(len(self.core.log) - 1, channel_id=CHANNEL))
        self.go_on()
        return True

    def status(self) -> dict[str, object]:
        """As far as a kit needs it."""
        return {"chain": {"confirmation_count": 2}}

    def go_on(self) -> None:
        """What happens before the caller is told."""

    def facts(
        self, entities: Sequence[bytes], from_seq: int, to_seq: int, limit: int
    ) -> Sequence[Fact]:
        """The core's own records."""
        return [Fact(from_seq, self.core.now_ms, None, self.core.log[from_seq][1])]

    def record(
        self, from_seq: int, limit: int, entity: bytes | None, last_seq: int
    ) -> Sequence[LogEntry]:
        """Likewise."""
        return [LogEntry(from_seq, self.core.now_ms, None, "", 1, {}, b"\x07" * 32)]


def paid_network() -> Network:
    network = opened(depth=2)
    pay(network, 30, 1)
    network.settle()
    return network


async def test_the_kit_is_made_of_what_was_recorded() -> None:
    network = paid_network()
    node = Exporting(network.bob)
    kit = await dispute_export(node, DisputeExportParams(to_hex(CHANNEL), sealed=True))
    assert node.commands == [commands.ExportDisputeKit(CHANNEL, sealed=True)]
    assert kit.made.log_seq == len(network.bob.log) - 1
    assert read_kit(kit).needing == ()


async def test_an_unknown_channel_is_refused() -> None:
    node = Exporting(Network().bob)
    with pytest.raises(UnknownChannel):
        await dispute_export(node, DisputeExportParams(to_hex(CHANNEL)))


async def test_a_ledger_that_never_stands_still_is_told_so() -> None:
    network = opened_ledger()

    class Busy(Exporting):
        def go_on(self) -> None:
            network.alice.feed(commands.PayLedger(LEDGER, 1, f"r{len(self.commands)}"))
            network.settle()

    node = Busy(network.bob)
    with pytest.raises(KitNotMade):
        await dispute_export(node, DisputeExportParams(to_hex(LEDGER)))
    assert len(node.commands) == EXPORT_COUNT_MAX


def test_the_method_names_what_refuses_it() -> None:
    method = METHODS["dispute_export"]
    assert method.result is DisputeKit
    names = {error.name() for error in method.errors}
    assert names == {"UNKNOWN_CHANNEL", "NOTHING_TO_LEAVE", "KIT_NOT_MADE"}
