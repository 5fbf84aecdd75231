"""A ledger that a hostile peer leads with a real daemon: it may propose whatever a test wants."""

from __future__ import annotations

from msgspec.structs import replace

from node.deployment import chain_call, wait_for_receipt
from protocols import messages
from protocols.abi import encode_deposit_call
from protocols.ledger import Change, LedgerVars, after, ledger_state
from protocols.nonce import channel_nonce
from protocols.outcome import Allocation, SingleAssetExit, destination_of
from protocols.state import FixedPart, State
from protocols.types import ZERO_ADDRESS, Address, ChannelId, amount_to_bytes, parse_address
from tests.support.hostile_peer import DEPOSIT_WEI, Mallory


class HostileLedger:
    """Mallory leads; everything in it is hers at first."""

    def __init__(self, mallory: Mallory) -> None:
        self.mallory = mallory
        self.vars = LedgerVars(DEPOSIT_WEI, 0)
        """After everything that was proposed."""
        self.turn_num = 1
        deployment = mallory.deployment
        nonce = channel_nonce(deployment.chain_id, mallory.adjudicator, b"ledg")
        app = parse_address(deployment.addresses["consensus_app"])
        victim = parse_address(mallory.victim.address)
        self.fixed = FixedPart((mallory.address, victim), nonce, app, 86_400)

    @property
    def channel_id(self) -> ChannelId:
        return self.fixed.channel_id()

    async def open(self) -> None:
        """All rules kept; somebody on the chain puts the deposit in."""
        mallory, fixed, start = self.mallory, self.fixed, LedgerVars(DEPOSIT_WEI, 0)
        said = mallory.signed(ledger_state(fixed, ZERO_ADDRESS, start, 0))
        await mallory.say(
            messages.ChannelProposal(
                fixed.participants,
                fixed.channel_nonce,
                fixed.app_definition,
                fixed.challenge_duration,
                said.encoded_state,
                said.signature,
            )
        )
        await mallory.hears(messages.SignedState)
        url = mallory.deployment.rpc_url
        data = encode_deposit_call(ZERO_ADDRESS, self.channel_id, 0, DEPOSIT_WEI)
        order = {
            "from": chain_call(url, "eth_accounts")[0],
            "to": mallory.deployment.addresses["adjudicator"],
            "value": hex(DEPOSIT_WEI),
            "data": "0x" + data.hex(),
        }
        wait_for_receipt(url, chain_call(url, "eth_sendTransaction", order))
        await mallory.say(mallory.signed(ledger_state(fixed, ZERO_ADDRESS, start, 1)))
        await mallory.hears(messages.SignedState, 2)

    def next(self, change: Change) -> messages.LedgerProposal:
        """The change at the next turn, signed; it is not said, nor is it noted."""
        vars_ = after(self.vars, change, self.fixed)
        state = ledger_state(self.fixed, ZERO_ADDRESS, vars_, self.turn_num + 1)
        return messages.LedgerProposal(
            self.channel_id,
            state.turn_num,
            change.kind,
            change.target,
            amount_to_bytes(change.amount),
            change.left,
            change.right,
            amount_to_bytes(change.left_amount),
            amount_to_bytes(change.fee),
            self.mallory.signer(state.state_hash()),
        )

    async def propose(self, change: Change) -> int:
        """Say it; the turn."""
        body = self.next(change)
        self.vars, self.turn_num = after(self.vars, change, self.fixed), body.turn_num
        await self.mallory.say(body)
        return body.turn_num

    def virtual_proposal(
        self, number: int, path: tuple[Address, ...] = ()
    ) -> messages.VirtualProposal:
        """A channel from mallory to the daemon, by default over nobody, as it may well be."""
        participants = path or self.fixed.participants
        payer, payee = participants[0], participants[-1]
        entropy = number.to_bytes(4, "big")
        nonce = channel_nonce(self.mallory.deployment.chain_id, self.mallory.adjudicator, entropy)
        app = parse_address(self.mallory.deployment.addresses["virtual_payment_app"])
        fixed = replace(
            self.fixed, participants=participants, channel_nonce=nonce, app_definition=app
        )
        allocations = (Allocation(destination_of(payer), 10), Allocation(destination_of(payee), 0))
        state = State(fixed, b"", (SingleAssetExit(ZERO_ADDRESS, allocations),), 0, False)
        return messages.VirtualProposal(
            fixed.participants,
            nonce,
            app,
            fixed.challenge_duration,
            state.encode(),
            (self.mallory.signer(state.state_hash()), *[b""] * (len(participants) - 1)),
            (bytes(32),) * (len(participants) - 2),
            self.channel_id,
        )
