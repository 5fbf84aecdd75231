"""The people of the tests: Alice pays, Bob is paid, Ivan and Irene are hubs. Test keys."""

from dataclasses import dataclass, field

from protocols.crypto import KnownSigner, Signer
from protocols.types import Address, from_hex, parse_address
from tests.support.vectors import NITRO


@dataclass(frozen=True)
class Actor:
    """A name with a key; `secret` is 32 bytes, `address` 20."""

    name: str
    secret: bytes = field(repr=False)
    address: Address
    signer: Signer

    @property
    def known(self) -> KnownSigner:
        """What a peer of this actor checks signatures with."""
        return KnownSigner(self.signer.public_key)


def _actor(name: str) -> Actor:
    vector = next(actor for actor in NITRO["actors"] if actor["name"] == name)
    secret = from_hex(vector["secret_key"])
    return Actor(name, secret, parse_address(vector["address"]), Signer(secret))


ALICE = _actor("alice")
BOB = _actor("bob")
IVAN = _actor("ivan")
IRENE = _actor("irene")
ACTORS = (ALICE, BOB, IVAN, IRENE)
