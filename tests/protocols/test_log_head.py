"""A head is signed for one log of one deployment, in a shape of its own."""

from __future__ import annotations

import pytest
from eth_abi import encode
from msgspec.structs import replace

from protocols.crypto import keccak256
from protocols.errors import InvalidSignature, InvalidWidth
from protocols.log_head import HEAD_DOMAIN, LogOwner, head_hash, require_signed, sign_head
from tests.support.actors import ALICE, BOB
from tests.support.builders import ADJUDICATOR, CHAIN_ID

OWNER = LogOwner(CHAIN_ID, ADJUDICATOR, ALICE.address)
ROOT = b"\x07" * 32


def test_what_is_signed_is_the_hash_of_an_abi_encoding() -> None:
    types = ["bytes32", "uint256", "address", "address", "uint256", "bytes32"]
    values = [HEAD_DOMAIN, CHAIN_ID, ADJUDICATOR, ALICE.address, 1_000, ROOT]
    assert head_hash(OWNER, 1_000, ROOT) == keccak256(encode(types, values))


def test_a_head_proves_its_signer() -> None:
    require_signed(OWNER, sign_head(OWNER, 1_000, ROOT, ALICE.signer))
    with pytest.raises(InvalidSignature, match="not by its log's node"):
        require_signed(OWNER, sign_head(OWNER, 1_000, ROOT, BOB.signer))


@pytest.mark.parametrize(
    ("owner", "length", "root"),
    [
        (replace(OWNER, chain_id=CHAIN_ID + 1), 1_000, ROOT),
        (replace(OWNER, adjudicator=BOB.address), 1_000, ROOT),
        (replace(OWNER, node=BOB.address), 1_000, ROOT),
        (OWNER, 1_001, ROOT),
        (OWNER, 1_000, b"\x08" * 32),
    ],
)
def test_a_head_stands_for_nothing_else(owner: LogOwner, length: int, root: bytes) -> None:
    signed = sign_head(OWNER, 1_000, ROOT, ALICE.signer)
    with pytest.raises(InvalidSignature):
        require_signed(owner, replace(signed, length=length, root=root))


def test_a_head_that_is_no_signature_is_refused() -> None:
    signed = sign_head(OWNER, 1_000, ROOT, ALICE.signer)
    for signature in (b"\x00" * 65, signed.signature[:-1] + b"\x00", b"\xff" * 64 + b"\x1b"):
        with pytest.raises(InvalidSignature):
            require_signed(OWNER, replace(signed, signature=signature))


def test_values_out_of_shape_are_no_head() -> None:
    for owner, root in ((replace(OWNER, node=b"\x01"), ROOT), (OWNER, b"\x01")):
        with pytest.raises(InvalidWidth):
            head_hash(owner, 1, root)
