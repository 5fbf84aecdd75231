"""Our contracts on a fresh local chain, and the moves every contract test starts with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from contracts.loader import Artifact, load_artifact
from tests.support.anvil import start_anvil
from tests.support.contract_calls import Contract, Rpc
from tests.support.nitro_signing import (
    NATIVE,
    Actor,
    Channel,
    Outcome,
    SignedVariablePart,
    VariablePart,
    actor,
    encode_outcome,
    state_hash,
)

ALICE = actor("alice of the contract tests")
BOB = actor("bob of the contract tests")
HUB = actor("a hub of the contract tests")
MALLORY = actor("a stranger of the contract tests")

DURATION_S = 100
TOKEN_SUPPLY = 10**24


@dataclass(frozen=True, slots=True)
class Nitro:
    """The contracts of one deployment; the first account of the chain sent them there."""

    rpc: Rpc
    adjudicator: Contract
    consensus_app: Contract
    payment_app: Contract
    token: Contract
    message_log_app: Contract
    game_app: Contract

    @property
    def sender(self) -> str:
        """The account that pays for everything; it holds TOKEN_SUPPLY of the token."""
        return self.adjudicator.sender

    def ledger(self, *actors: Actor, nonce: int = 1) -> Channel:
        """A channel whose every state everybody signs."""
        return Channel(actors, self.consensus_app.address, nonce, DURATION_S)

    def payment_channel(self, *actors: Actor, nonce: int = 1) -> Channel:
        """A channel in which the first pays the last by vouchers."""
        return Channel(actors, self.payment_app.address, nonce, DURATION_S)

    def deposit(self, channel_id: bytes, amount: int, asset: str = NATIVE) -> None:
        """Put money on top of what the channel holds."""
        held = self.holdings(channel_id, asset)
        value = amount if asset == NATIVE else 0
        self.adjudicator.send("deposit", asset, channel_id, held, amount, value=value)

    def holdings(self, channel_id: bytes, asset: str = NATIVE) -> int:
        held: int = self.adjudicator.call("holdings", asset, channel_id)
        return held

    def status(self, channel: Channel) -> tuple[int, int, int]:
        """(turnNumRecord, finalizesAt, fingerprint)."""
        word: tuple[int, int, int] = self.adjudicator.call("unpackStatus", channel.channel_id)
        return word

    def challenge(
        self,
        channel: Channel,
        candidate: SignedVariablePart,
        proof: Sequence[SignedVariablePart] = (),
        challenger: Actor | None = None,
    ) -> bytes:
        """Challenge as `challenger`, by default the first participant; the state's hash."""
        who = challenger or channel.actors[0]
        wish = channel.challenger_signature(candidate[0], who)
        self.adjudicator.send("challenge", channel.fixed_part, list(proof), candidate, wish)
        return state_hash(channel.channel_id, candidate[0])

    def finalise(
        self,
        channel: Channel,
        candidate: SignedVariablePart,
        proof: Sequence[SignedVariablePart] = (),
        challenger: Actor | None = None,
    ) -> bytes:
        """Challenge and wait until it cannot be answered any more; the state's hash."""
        message_hash = self.challenge(channel, candidate, proof, challenger)
        self.rpc.pass_time(channel.challenge_duration_s + 1)
        return message_hash

    def reclaim_arguments(
        self,
        ledger: Channel,
        ledger_state: VariablePart,
        index_of_target: int,
        target: tuple[bytes, Outcome],
    ) -> tuple[object, ...]:
        """ReclaimArgs for the first asset on both sides; target is (state hash, outcome)."""
        return (
            ledger.channel_id,
            state_hash(ledger.channel_id, ledger_state),
            encode_outcome(ledger_state[0]),
            0,
            index_of_target,
            target[0],
            encode_outcome(target[1]),
            0,
        )


def deploy_nitro(rpc: Rpc, artifact_of: Callable[[str], Artifact] = load_artifact) -> Nitro:
    """Deploys everything; the artifacts of the three contracts that judge may be another's."""
    nitro = Nitro(
        rpc,
        rpc.deploy_code(artifact_of("NitroAdjudicator")),
        rpc.deploy_code(artifact_of("ConsensusApp")),
        rpc.deploy_code(artifact_of("VirtualPaymentApp")),
        rpc.deploy("TestToken"),
        rpc.deploy("MessageLogApp"),
        rpc.deploy("RockPaperScissorsApp"),
    )
    nitro.token.send("mint", nitro.sender, TOKEN_SUPPLY)
    nitro.token.send("approve", nitro.adjudicator.address, TOKEN_SUPPLY)
    return nitro


@contextlib.contextmanager
def deployed_nitro(artifact_of: Callable[[str], Artifact] = load_artifact) -> Iterator[Nitro]:
    """A chain of its own with everything deployed, for as long as the `with` block lasts."""
    with start_anvil() as anvil, contextlib.closing(Rpc(anvil.port)) as rpc:
        yield deploy_nitro(rpc, artifact_of)
