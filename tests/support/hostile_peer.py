"""A peer that says exactly what a test tells it to, right or wrong, to a real daemon.

It proves its own key in the handshake and speaks the framing of the peer room; everything above
that is the test's. What it hears is kept.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio

from node.deployment import Deployment, chain_call, wait_for_receipt
from node.p2p.connection import SecureConnection, secure
from node.p2p.errors import ConnectionLost
from node.p2p.framing import ErrorFrame, Frame, Hello, Message, encode_frames, seal_records
from node.p2p.hello import Identity
from node.p2p.noise import Handshake
from protocols import events
from protocols.abi import encode_deposit_call
from protocols.crypto import Signer
from protocols.messages import (
    Body,
    ChannelProposal,
    Payment,
    SignedState,
    decode_body,
    encode_body,
)
from protocols.nonce import channel_nonce
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import (
    ZERO_ADDRESS,
    Address,
    ChannelId,
    amount_to_bytes,
    checksum_address,
    parse_address,
    to_hex,
)
from protocols.voucher import sign_voucher
from tests.support.daemons import LocalNode
from tests.support.e2e_rig import records

TIMEOUT_S = 60.0
"""For anything a daemon should do at once."""
DEPOSIT_WEI = 1_000_000

OneBody = TypeVar("OneBody", bound=Body)


def peer_endpoint(node: LocalNode) -> tuple[str, int]:
    """Where the running daemon listens for peers."""
    said = json.loads((node.directory / "rpc.json").read_text())
    host, port = said["p2p"].rsplit(":", 1)
    return host, int(port)


class Mallory:
    """One key, and at most one conversation at a time with one daemon."""

    def __init__(self, number: int, victim: LocalNode, deployment: Deployment) -> None:
        """`number` picks the key: another number, another stranger."""
        self.signer = Signer(b"mallory!" + number.to_bytes(24, "big"))
        self.victim = victim
        self.deployment = deployment
        self.adjudicator = parse_address(deployment.addresses["adjudicator"])
        self.heard: list[Body] = []
        self.refusal: ErrorFrame | None = None
        """The daemon's last word, if it ended the session."""
        self.sequence = 0
        self._last_heard = 0
        self._connection: SecureConnection | None = None

    @property
    def address(self) -> Address:
        return self.signer.address

    @property
    def spelt(self) -> str:
        """The address as the daemon shows it."""
        return checksum_address(self.address)

    @property
    def connection(self) -> SecureConnection:
        assert self._connection is not None, "connect first"
        return self._connection

    # --- the session ---

    @asynccontextmanager
    async def dialled(self) -> AsyncIterator[SecureConnection]:
        """A handshake with the daemon, and nothing more."""
        stream = await trio.open_tcp_stream(*peer_endpoint(self.victim))
        try:
            expected = parse_address(self.victim.address)
            handshake = Handshake(self.signer, initiator=True, expected=expected)
            with trio.fail_after(TIMEOUT_S):
                self._connection = await secure(stream, handshake)
            yield self._connection
        finally:
            self._connection = None
            await trio.aclose_forcefully(stream)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Mallory]:
        """A session after both hellos; what comes is kept in the background."""
        async with self.dialled() as connection:
            await self.write(self.hello())
            with trio.fail_after(TIMEOUT_S):
                theirs = await connection.receive_one()
            assert isinstance(theirs, Hello), theirs
            self.sequence = theirs.received_sequence
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, connection)
                yield self
                nursery.cancel_scope.cancel()

    def hello(
        self,
        *,
        chain_id: int | None = None,
        adjudicator: Address | None = None,
        address: Address | None = None,
    ) -> Hello:
        """Our hello, with one thing wrong if a test wants it so."""
        identity = Identity(
            self.deployment.chain_id if chain_id is None else chain_id,
            adjudicator or self.adjudicator,
            address or self.address,
        )
        return identity.hello(self._last_heard)

    async def write(self, *frames: Frame) -> None:
        await self.connection.send(encode_frames(frames), TIMEOUT_S)

    async def write_plaintext(self, plaintext: bytes) -> None:
        """Whatever bytes, properly sealed."""
        await self.connection.send(plaintext, TIMEOUT_S)

    async def write_raw(self, data: bytes) -> None:
        """Whatever bytes, not sealed at all."""
        with trio.fail_after(TIMEOUT_S):
            await self.connection._stream.send_all(data)

    def sealed(self, *frames: Frame) -> bytes:
        """The records these frames would travel in."""
        return seal_records(self.connection._cipher, encode_frames(frames))

    async def say(self, body: Body | bytes) -> int:
        """The next numbered message; its number."""
        self.sequence += 1
        await self.repeat(self.sequence, body)
        return self.sequence

    async def repeat(self, sequence: int, body: Body | bytes) -> None:
        """A message under a number of the test's choice."""
        data = body if isinstance(body, bytes) else encode_body(body)
        await self.write(Message(sequence, self._last_heard, data))

    async def _listen(self, connection: SecureConnection) -> None:
        try:
            while True:
                for frame in (await connection.receive()).frames:
                    if isinstance(frame, ErrorFrame):
                        self.refusal = frame
                    elif isinstance(frame, Message) and frame.sequence > self._last_heard:
                        self._last_heard = frame.sequence
                        self.heard.append(decode_body(frame.body))
        except ConnectionLost:
            pass  # the daemon has had enough

    async def listen_until_the_end(self, connection: SecureConnection) -> None:
        """Hear what the daemon says before it hangs up."""
        with trio.fail_after(TIMEOUT_S):
            await self._listen(connection)

    async def refused(self) -> str:
        """The code of the error frame with which the daemon ended the session."""
        await eventually("the daemon says why it ends the session", lambda: self.refusal)
        assert self.refusal is not None
        return self.refusal.code

    async def hears(self, kind: type[OneBody], count: int = 1) -> OneBody:
        """The count-th message of that kind, once it came."""
        await eventually(f"a {kind.__name__} comes", lambda: len(self.all(kind)) >= count)
        return self.all(kind)[count - 1]

    def all(self, kind: type[OneBody]) -> list[OneBody]:
        return [body for body in self.heard if isinstance(body, kind)]

    # --- what the daemon thinks of it ---

    def row(self) -> dict[str, Any]:
        """What the daemon's status says of us."""
        rows = self.victim.call("node_status")["peers"]
        found = [row for row in rows if row["address"] == self.spelt]
        return found[0] if found else {"received": 0, "fault_count": 0}

    def dropped(self) -> list[events.MessageDropped]:
        """Our messages that the daemon refused."""
        found = [e for e in records(self.victim) if isinstance(e, events.MessageDropped)]
        return [event for event in found if event.peer_id == to_hex(self.address)]

    async def drops(self, count: int = 1) -> events.MessageDropped:
        """The count-th refused message, once it is recorded."""
        await eventually("the message is dropped", lambda: self.row()["fault_count"] >= count)
        return self.dropped()[count - 1]

    # --- a channel in which mallory pays the daemon ---

    def fixed(self, entropy: bytes = b"evil") -> FixedPart:
        """A channel that the daemon may take part in."""
        nonce = channel_nonce(self.deployment.chain_id, self.adjudicator, entropy)
        app = parse_address(self.deployment.addresses["virtual_payment_app"])
        return FixedPart((self.address, parse_address(self.victim.address)), nonce, app, 86_400)

    def state(self, turn_num: int, entropy: bytes = b"evil") -> State:
        """The state of a turn in which nothing is paid."""
        fixed = self.fixed(entropy)
        payer, payee = fixed.participants
        allocations = (
            Allocation(destination_of(payer), DEPOSIT_WEI),
            Allocation(destination_of(payee), 0),
        )
        return State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, allocations),), turn_num, False)

    def proposal(self, entropy: bytes = b"evil", signer: Signer | None = None) -> ChannelProposal:
        """A proposal, by default well made."""
        state = self.state(0, entropy)
        return ChannelProposal(
            state.fixed.participants,
            state.fixed.channel_nonce,
            state.fixed.app_definition,
            state.fixed.challenge_duration,
            state.encode(),
            (signer or self.signer)(state.state_hash()),
        )

    def signed(self, state: State, signer: Signer | None = None) -> SignedState:
        signature = (signer or self.signer)(state.state_hash())
        return SignedState(state.channel_id, state.encode(), signature)

    def payment(
        self, channel_id: ChannelId, total: int, amount: int, signer: Signer | None = None
    ) -> Payment:
        """A payment with the voucher for the total."""
        signature = sign_voucher(channel_id, total, signer or self.signer)
        identity = amount_to_bytes(total) if total else b"\x01" * 32
        return Payment(
            channel_id, identity, amount_to_bytes(amount), amount_to_bytes(total), signature
        )

    async def open_channel(self, entropy: bytes = b"evil") -> ChannelId:
        """Open one, all rules kept; somebody on the chain puts the deposit in."""
        channel_id = self.fixed(entropy).channel_id()
        count = len(self.all(SignedState))
        await self.say(self.proposal(entropy))
        await self.hears(SignedState, count + 1)
        url = self.deployment.rpc_url
        rich = chain_call(url, "eth_accounts")[0]
        order = {
            "from": rich,
            "to": self.deployment.addresses["adjudicator"],
            "value": hex(DEPOSIT_WEI),
            "data": "0x" + encode_deposit_call(ZERO_ADDRESS, channel_id, 0, DEPOSIT_WEI).hex(),
        }
        wait_for_receipt(url, chain_call(url, "eth_sendTransaction", order))
        await self.say(self.signed(self.state(1, entropy)))
        await self.hears(SignedState, count + 2)
        return channel_id


async def eventually(what: str, done: Callable[[], object]) -> None:
    """Wait for something the daemon does."""
    with trio.move_on_after(TIMEOUT_S):
        while not done():
            await trio.sleep(0.02)
        return
    raise AssertionError(f"waited {TIMEOUT_S:g} s in vain until {what}")
