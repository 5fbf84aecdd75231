"""Who takes part."""

from node.explain.story import Cast, shown_address
from protocols.types import amount_to_bytes
from tests.support.actors import ALICE, BOB, IRENE

ROW = (ALICE.address, IRENE.address, BOB.address)


def test_everybody_has_a_role_within_a_sentence() -> None:
    cast = Cast(BOB.address, bytes(32), "virtual", ROW)
    assert cast.person(BOB.address) == "we"
    assert cast.person(ALICE.address).startswith("payer 0x")
    assert cast.person(IRENE.address).startswith("hub 0x")
    assert cast.person(b"\x11" * 20).startswith("0x")
    ledger = Cast(ALICE.address, bytes(32), "ledger", (ALICE.address, BOB.address))
    assert ledger.person(BOB.address).startswith("follower 0x")
    assert ledger.leads


def test_the_other_end_of_an_intermediary_is_the_payee() -> None:
    assert Cast(IRENE.address, bytes(32), "virtual", ROW).counterparty == BOB.address
    assert Cast(BOB.address, bytes(32), "virtual", ROW).counterparty == ALICE.address
    assert Cast(BOB.address, bytes(32)).counterparty is None


def test_amounts_are_the_channels() -> None:
    assert Cast(BOB.address, bytes(32)).money(amount_to_bytes(10**18)) == "1 ETH"
    token = Cast(BOB.address, bytes(32), asset=b"\x01" * 20)
    assert token.money(amount_to_bytes(5)) == "5 units"


def test_nobody_is_shown_as_nobody() -> None:
    assert shown_address(None) is None
    assert shown_address(bytes(20)) == "0x" + "0" * 40
