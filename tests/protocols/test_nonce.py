"""M10: a nonce binds a channel to one chain and one adjudicator."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from protocols.crypto import keccak256
from protocols.errors import InvalidWidth
from protocols.nonce import channel_nonce, has_prefix, nonce_prefix
from protocols.types import to_hex
from tests.support.builders import ADJUDICATOR, CHAIN_ID

addresses = st.binary(min_size=20, max_size=20)
chain_ids = st.integers(0, 2**256 - 1)


@given(chain_ids, addresses)
def test_the_prefix_is_the_hash_of_the_encoded_deployment(
    chain_id: int, adjudicator: bytes
) -> None:
    encoded = encode(["uint256", "address"], [chain_id, to_hex(adjudicator)])
    assert nonce_prefix(chain_id, adjudicator) == keccak256(encoded)[:4]


@given(st.binary(min_size=4, max_size=4))
def test_the_nonce_is_the_prefix_and_the_entropy(entropy: bytes) -> None:
    nonce = channel_nonce(CHAIN_ID, ADJUDICATOR, entropy)
    assert nonce.to_bytes(8, "big") == nonce_prefix(CHAIN_ID, ADJUDICATOR) + entropy
    assert has_prefix(nonce, CHAIN_ID, ADJUDICATOR)


def test_a_nonce_belongs_to_no_other_chain_or_adjudicator() -> None:
    nonce = channel_nonce(CHAIN_ID, ADJUDICATOR, b"abcd")
    assert not has_prefix(nonce, CHAIN_ID + 1, ADJUDICATOR)
    assert not has_prefix(nonce, CHAIN_ID, b"\xae" * 20)
    assert not has_prefix(0, CHAIN_ID, ADJUDICATOR)


@pytest.mark.parametrize("entropy", [b"", b"abc", b"abcde"])
def test_entropy_of_another_size_is_refused(entropy: bytes) -> None:
    with pytest.raises(InvalidWidth):
        channel_nonce(CHAIN_ID, ADJUDICATOR, entropy)
