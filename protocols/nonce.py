"""M10: the channel nonce binds a channel to one chain and one adjudicator.

The channel id covers neither, so without this a channel's signatures were valid on every
deployment.
"""

from __future__ import annotations

from functools import lru_cache

from protocols.crypto import keccak256
from protocols.types import Address, Uint64, require_width

ENTROPY_SIZE_BYTES = 4
"""Random bytes of a nonce; a collision is caught, since a channel id is used once."""


@lru_cache(maxsize=16)
def nonce_prefix(chain_id: int, adjudicator: Address) -> bytes:
    """The first 4 bytes of keccak256(abi.encode(uint256 chain_id, address adjudicator))."""
    return keccak256(chain_id.to_bytes(32, "big") + bytes(12) + adjudicator)[:4]


def channel_nonce(chain_id: int, adjudicator: Address, entropy: bytes) -> Uint64:
    """Prefix || entropy as a uint64; `InvalidWidth` unless entropy is 4 bytes."""
    require_width("nonce_entropy", entropy, ENTROPY_SIZE_BYTES)
    return int.from_bytes(nonce_prefix(chain_id, adjudicator) + entropy, "big")


def has_prefix(nonce: int, chain_id: int, adjudicator: Address) -> bool:
    """Whether the nonce belongs to that deployment."""
    return nonce.to_bytes(8, "big")[:4] == nonce_prefix(chain_id, adjudicator)
