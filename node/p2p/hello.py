"""The first frame each way: what both sides must agree on before they talk.

A hello that does not fit is answered with a named error frame. This module decides, it does not
send, and it judges nobody who passes: that is the policy's.
"""

from dataclasses import dataclass

from node.p2p.errors import (
    RefusedByPeer,
    SelfConnection,
    UnexpectedFrame,
    WrongAdjudicator,
    WrongChain,
    WrongHelloAddress,
    WrongProtocolVersion,
)
from node.p2p.framing import ErrorFrame, Frame, Hello
from node.p2p.limits import PROTOCOL_VERSION
from protocols.types import Address, checksum_address


@dataclass(frozen=True, slots=True)
class Identity:
    """What this node says of itself in every hello."""

    chain_id: int
    adjudicator: Address
    address: Address

    def hello(self, received_sequence: int) -> Hello:
        """Our hello to a peer whose messages we hold up to `received_sequence`."""
        return Hello(
            PROTOCOL_VERSION, self.chain_id, self.adjudicator, self.address, received_sequence
        )


def check_hello(frame: Frame, ours: Identity, proved: Address) -> Hello:
    """The peer's hello, if it may talk to us.

    `proved` is the address of the handshake. Raises a `SessionRefused` that names the field which
    differs, `RefusedByPeer` if the peer refuses us, `UnexpectedFrame` for anything else.
    """
    if isinstance(frame, ErrorFrame):
        raise RefusedByPeer(describe_error(frame))
    if not isinstance(frame, Hello):
        raise UnexpectedFrame(f"{type(frame).__name__.lower()} before hello")
    if frame.version != PROTOCOL_VERSION:
        raise WrongProtocolVersion(f"we speak {PROTOCOL_VERSION}, the peer {frame.version}")
    if frame.chain_id != ours.chain_id:
        raise WrongChain(f"we are on chain {ours.chain_id}, the peer on {frame.chain_id}")
    if frame.adjudicator != ours.adjudicator:
        raise WrongAdjudicator(
            f"ours is {checksum_address(ours.adjudicator)}, "
            f"the peer's {checksum_address(frame.adjudicator)}"
        )
    if frame.address != proved:
        raise WrongHelloAddress(
            f"{checksum_address(proved)} proved itself and calls itself "
            f"{checksum_address(frame.address)}"
        )
    if proved == ours.address:
        raise SelfConnection("the peer holds our own key")
    return frame


def describe_error(frame: ErrorFrame) -> str:
    """One printable line of a peer's error frame: its text is a stranger's, so it is escaped."""
    return f"{frame.code!a}: {frame.reason!a}"
