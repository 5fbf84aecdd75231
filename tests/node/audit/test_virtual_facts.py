"""What carries a virtual channel, folded by the audit itself."""

from node.audit.virtual_facts import VirtualFacts
from protocols import virtual_events
from protocols.types import amount_to_bytes
from tests.support.actors import BOB

LEFT, RIGHT, TARGET = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


def test_places_are_counted_from_the_payer() -> None:
    virtual = VirtualFacts()
    fees = (amount_to_bytes(7), amount_to_bytes(2))
    virtual.apply(virtual_events.VirtualChannelRecorded(TARGET, LEFT, RIGHT, fees))
    assert virtual.place_of(LEFT, 1) == 0
    assert virtual.place_of(RIGHT, 1) == 1
    assert virtual.place_of(TARGET, 1) is None
    assert [virtual.fee_at(place) for place in range(3)] == [9, 2, 0]


def test_no_ledger_has_no_place() -> None:
    assert VirtualFacts().place_of(b"", 0) is None


def test_the_way_back_is_remembered() -> None:
    virtual = VirtualFacts()
    virtual.apply(virtual_events.PostfundRenounced(TARGET, BOB.address, "NO", ""))
    virtual.apply(virtual_events.UnwindingAsked(TARGET, "NO", ""))
    assert virtual.renounced == {BOB.address}
    assert virtual.is_given_up
