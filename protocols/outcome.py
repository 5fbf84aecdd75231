"""Who gets what if a channel ends now: Nitro's exit format, as values.

An outcome lists assets; each asset lists allocations in order of priority. Shapes and sums are
checked here, once, when a value is built, so whatever holds an `Outcome` may trust it. How it is
encoded is `protocols.abi`; whether a change of it is allowed is for the channel's rules.
Amounts are domain integers: MessagePack has no uint256, so an outcome travels in its ABI encoding.
"""

from msgspec import Struct

from protocols.errors import InvalidEncoding, InvalidWidth
from protocols.types import (
    UINT256_MAX,
    Address,
    Amount,
    Bytes32,
    Destination,
    require_uint,
    require_width,
)

SIMPLE = 0
"""Allocation type: paid to its destination."""
WITHDRAW_HELPER = 1
"""Allocation type: reserved by the contracts, not used here."""
GUARANTEE = 2
"""Allocation type: funds another channel, whose id is the destination."""

_EXTERNAL_PREFIX = bytes(12)


class Allocation(Struct, frozen=True, array_like=True, gc=False):
    """One destination's share of one asset. `InvalidWidth` on any value out of shape."""

    destination: Destination
    amount: Amount
    """In the asset's smallest unit, 0 to 2**256 - 1."""
    allocation_type: int = SIMPLE
    """uint8: SIMPLE, WITHDRAW_HELPER or GUARANTEE; others encode but no contract knows them."""
    metadata: bytes = b""

    def __post_init__(self) -> None:
        require_width("allocation.destination", self.destination, 32)
        require_uint("allocation.amount", self.amount, 256)
        require_uint("allocation.allocation_type", self.allocation_type, 8)
        _require_bytes("allocation.metadata", self.metadata)


class SingleAssetExit(Struct, frozen=True, array_like=True, gc=False):
    """All allocations of one asset. `InvalidWidth` on a wrong shape or a sum above 2**256 - 1."""

    asset: Address
    """The token's contract; the zero address is the chain's own token."""
    allocations: tuple[Allocation, ...]
    asset_type: int = 0
    """uint8 of the exit format; always 0 here."""
    asset_metadata: bytes = b""

    def __post_init__(self) -> None:
        require_width("asset", self.asset, 20)
        require_uint("asset_type", self.asset_type, 8)
        _require_bytes("asset_metadata", self.asset_metadata)
        _require_tuple_of("allocations", self.allocations, Allocation)
        if total(self) > UINT256_MAX:
            # The contracts would wrap around or revert; either way somebody is not paid.
            raise InvalidWidth("allocations", "a sum within uint256", "a larger sum")


Outcome = tuple[SingleAssetExit, ...]
"""Every asset of a channel, in order."""


def require_outcome(outcome: Outcome) -> None:
    """Raise `InvalidWidth` unless `outcome` is a tuple of `SingleAssetExit`."""
    _require_tuple_of("outcome", outcome, SingleAssetExit)


def destination_of(address: Address) -> Destination:
    """The destination that pays an address: left-padded with zeros to 32 bytes."""
    require_width("address", address, 20)
    return _EXTERNAL_PREFIX + address


def is_external(destination: Destination) -> bool:
    """Whether a destination is an address; otherwise it is a channel id."""
    require_width("destination", destination, 32)
    return destination[:12] == _EXTERNAL_PREFIX


def address_of_destination(destination: Destination) -> Address:
    """The address an external destination pays; `InvalidEncoding` for a channel id."""
    if not is_external(destination):
        raise InvalidEncoding("destination", "it names a channel, not an address")
    return destination[12:]


def total(exit_: SingleAssetExit) -> Amount:
    """The sum of an asset's allocations, in its smallest unit."""
    return sum(allocation.amount for allocation in exit_.allocations)


def guarantee_metadata(left: Destination, right: Destination) -> bytes:
    """The 64 bytes of a guarantee's metadata; left is the party nearer to the payer."""
    require_width("guarantee.left", left, 32)
    require_width("guarantee.right", right, 32)
    return left + right


def decode_guarantee_metadata(metadata: bytes) -> tuple[Bytes32, Bytes32]:
    """(left, right) of a guarantee; `InvalidWidth` unless the metadata is 64 bytes."""
    require_width("guarantee.metadata", metadata, 64)
    return metadata[:32], metadata[32:]


def _require_bytes(field: str, value: bytes) -> None:
    if not isinstance(value, bytes):
        raise InvalidWidth(field, "bytes", type(value).__name__)


def _require_tuple_of(field: str, value: tuple[object, ...], member: type) -> None:
    if not isinstance(value, tuple):
        raise InvalidWidth(field, f"a tuple of {member.__name__}", type(value).__name__)
    for item in value:
        if not isinstance(item, member):
            raise InvalidWidth(field, f"a tuple of {member.__name__}", type(item).__name__)
