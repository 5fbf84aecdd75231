"""What ends a session or keeps it from starting, one class per reason, each with a stable code.

    PeerError
      ConnectionLost, WriteStalled, PeerSilent   the network, or a peer that stopped
      HandshakeFailed                            bytes of a stranger: counted, never logged
      SessionRefused                             we know who it is and do not talk to it
      RefusedByPeer                              it does not talk to us, and says why
      FramingFault                               an authenticated peer broke the framing

A code travels in the error frame and stands in logs and statistics; it is never reused.
"""

from typing import ClassVar


class PeerError(Exception):
    """The root: why a session ended or never began."""

    code: ClassVar[str] = "peer_error"
    """Stable name, in snake case."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ConnectionLost(PeerError):
    """The stream ended or broke."""

    code = "connection_lost"


class WriteStalled(PeerError):
    """The peer did not take our bytes in time."""

    code = "write_stalled"


class PeerSilent(PeerError):
    """Nothing came for longer than a live peer stays silent."""

    code = "peer_silent"


class HandshakeFailed(PeerError):
    """Not our protocol, or a proof of identity that does not hold."""

    code = "handshake_failed"


class HandshakeTimeout(HandshakeFailed):
    """The handshake did not finish in time, or made room for a newer one."""

    code = "handshake_timeout"


class WrongIdentity(HandshakeFailed):
    """Somebody else answers at the address we dialled."""

    code = "wrong_identity"


class SessionRefused(PeerError):
    """A peer we know by its key and will not talk to now. Told to it in an error frame."""

    code = "session_refused"


class WrongProtocolVersion(SessionRefused):
    """The peer speaks another version of this protocol."""

    code = "wrong_protocol_version"


class WrongChain(SessionRefused):
    """The peer lives on another chain."""

    code = "wrong_chain_id"


class WrongAdjudicator(SessionRefused):
    """The peer trusts another adjudicator contract."""

    code = "wrong_adjudicator"


class WrongHelloAddress(SessionRefused):
    """The hello names another address than the key that proved itself."""

    code = "wrong_hello_address"


class SelfConnection(SessionRefused):
    """The peer is ourselves."""

    code = "self_connection"


class TooManySessions(SessionRefused):
    """All places for peers outside the address book are taken."""

    code = "too_many_sessions"


class DuplicateSession(SessionRefused):
    """The same peer has a session that takes precedence."""

    code = "duplicate_session"


class PeerExpelled(SessionRefused):
    """The peer broke too many rules and is not talked to for a while."""

    code = "peer_expelled"


class RefusedByPeer(PeerError):
    """The peer closed the session with an error frame; the reason begins with its code."""

    code = "refused_by_peer"


class FramingFault(PeerError):
    """An authenticated peer sent what no honest node sends."""

    code = "framing_fault"

    def __init__(self, reason: str, size_bytes: int = 0) -> None:
        super().__init__(reason)
        self.size_bytes = size_bytes
        """Size of what was refused, as far as it is known."""


class MalformedRecord(FramingFault):
    """A record too short to hold anything."""

    code = "malformed_record"


class DecryptionFailed(FramingFault):
    """A record that was changed, repeated, reordered or never ours."""

    code = "decryption_failed"


class FrameTooLarge(FramingFault):
    """A frame that announces more than the limit."""

    code = "frame_too_large"


class MalformedFrame(FramingFault):
    """A frame that is not one of ours."""

    code = "malformed_frame"


class UnexpectedFrame(FramingFault):
    """A frame at a moment that does not allow it."""

    code = "unexpected_frame"
