"""Sessions as a simulation assumes them: who can be reached, and which messages arrive."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from node.whatif.report import Sent
from protocols import messages
from protocols.delivery import Peer
from protocols.effects import SendMessage
from protocols.types import Address


class Sessions:
    """All peers are there, and all messages arrive, unless it is assumed otherwise."""

    def __init__(self) -> None:
        self.silent: set[Address] = set()
        """Peers that say nothing and take nothing."""
        self.all_silent = False
        self.losing: dict[Address, int] = {}
        """How many messages to a peer are left up to the one that is lost, that one included."""
        self._lost: dict[Address, int] = {}
        """By peer whose session broke: the number of the message that was lost."""
        self._sent: dict[Address, list[Sent]] = {}
        """What was sent here and not acknowledged."""

    def is_there(self, peer: Address) -> bool:
        """Whether the peer answers now."""
        return not self.all_silent and peer not in self.silent and peer not in self._lost

    def send(self, message: SendMessage) -> Sent:
        """A message leaves; its session may break with it."""
        peer, sequence = message.peer, message.sequence
        if peer in self.losing:
            self.losing[peer] -= 1
            if self.losing[peer] == 0:
                del self.losing[peer]
                self._lost[peer] = sequence
        kind = type(messages.decode_body(message.body)).__name__
        sent = Sent(peer, sequence, kind, len(message.body), is_lost=peer in self._lost)
        self._sent.setdefault(peer, []).append(sent)
        return sent

    def again(self, peer: Peer) -> Iterator[Sent]:
        """What the peer has not acknowledged leaves once more."""
        known = {sent.sequence: sent for sent in self._sent.get(peer.address, ())}
        for sequence in range(peer.acknowledged + 1, peer.sent + 1):
            sent = known.get(sequence, Sent(peer.address, sequence, "", 0))
            yield replace(sent, is_again=True, is_lost=False)

    def unacknowledged(self) -> list[Address]:
        """Peers that were sent anything since they last acknowledged."""
        return list(self._sent)

    def acknowledged(self) -> Iterator[Address]:
        """Peers that are there take all that was sent to them."""
        for peer in list(self._sent):
            if self.is_there(peer):
                del self._sent[peer]
                yield peer

    def mended(self) -> Iterator[tuple[Address, int]]:
        """Sessions that broke begin anew: whose, and the message that was lost."""
        while self._lost:
            yield self._lost.popitem()
