"""Who signed is recovered from the bytes."""

import pytest

from node.audit.signatures import signature_fault
from tests.support.actors import ALICE, BOB

HASH = b"\x11" * 32
SIGNED = ALICE.signer(HASH)


def test_the_signer_is_recovered() -> None:
    assert signature_fault("it", HASH, SIGNED, ALICE.address) is None


def test_the_other_v_is_the_same_signature() -> None:
    other = SIGNED[:64] + bytes([55 - SIGNED[64]])
    assert signature_fault("it", HASH, other, ALICE.address) is None


@pytest.mark.parametrize(
    ("hash32", "signature", "signer"),
    [
        (HASH, SIGNED, BOB.address),
        (b"\x12" * 32, SIGNED, ALICE.address),
        (HASH, SIGNED[:64] + b"\x00", ALICE.address),
        (HASH, SIGNED[:32] + b"\xff" * 32 + SIGNED[64:], ALICE.address),
        (HASH, b"", ALICE.address),
        (HASH, bytes(64) + b"\x1b", ALICE.address),
    ],
)
def test_anything_else_is_a_fault(hash32: bytes, signature: bytes, signer: bytes) -> None:
    fault = signature_fault("the voucher", hash32, signature, signer)
    assert fault is not None
    assert fault.startswith("the voucher is not signed by 0x" + signer.hex())
