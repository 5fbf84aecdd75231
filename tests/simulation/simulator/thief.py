"""Who is gone and steals: old states, old vouchers and states kept back, registered on chain.

A thief has what its node knew in all its lives, and its key. It makes no mistakes of form: every
call is one that the adjudicator takes.
"""

from __future__ import annotations

from collections.abc import Callable

from protocols.channel import POSTFUND_TURN, Channel, is_supported
from protocols.crypto import restore_v
from protocols.entities import Node
from protocols.exit_calls import challenge_call, checkpoint_call, redemption
from protocols.ledger import after, ledger_state
from protocols.objectives.app_supports import AppSupport, Running, app_support
from protocols.signed_state import SignedState
from protocols.state import challenge_message
from protocols.types import Address, ChannelId, Signature
from protocols.voucher import voucher_hash
from tests.simulation.simulator.forking import ForkingChain, of_stranger
from tests.support.actors import Actor
from tests.support.builders import tx_hash

Theft = tuple[SignedState, tuple[SignedState, ...]]
"""What is to stand on chain, and its proof."""


KEPT_BACK_EVERY = 4
"""One theft in so many is a checkpoint."""


class Thief:
    """One who vanishes, and what it remembers."""

    def __init__(self, actor: Actor, chain: ForkingChain, note: Callable[[str], None]) -> None:
        self._actor = actor
        self._chain = chain
        self._note = note
        self._thefts: dict[ChannelId, dict[bytes, Theft]] = {}
        """By channel, the oldest first; by what tells them apart."""

    def remember(self, node: Node, channel: Channel) -> None:
        """Its node's channel changed: what could be registered of it now."""
        known = self._thefts.setdefault(channel.channel_id, {})
        for turn in channel.turns:
            if turn.is_signed_by_all() and not turn.is_final and turn.turn_num <= POSTFUND_TURN:
                state, signatures = channel.state(turn), turn.signatures
                known.setdefault(turn.state_hash, (SignedState(state, signatures), ()))
        running = app_support(node, channel)
        if running is not None:
            self._remember_running(channel, running, known)
        if channel.ledger is not None:
            self._remember_ledger(channel, known)
        elif channel.my_index == channel.payee_index and channel.vouchers.signature:
            self._remember_voucher(channel, known)

    def _remember_ledger(self, channel: Channel, known: dict[bytes, Theft]) -> None:
        ledger = channel.ledger
        assert ledger is not None
        agreed = ledger_state(channel.fixed, ledger.asset, ledger.current, ledger.turn_num)
        known.setdefault(ledger.state_hash, (SignedState(agreed, ledger.signatures), ()))
        if channel.my_index == 0:
            return
        # What the leader proposed it may sign and keep to itself.
        vars_ = ledger.current
        for proposal in ledger.queue:
            vars_ = after(vars_, proposal.change, channel.fixed)
            state = ledger_state(channel.fixed, ledger.asset, vars_, proposal.turn_num)
            mine = self._actor.signer(state.state_hash())
            found = (SignedState(state, (proposal.signature, mine)), ())
            known.setdefault(state.state_hash(), found)

    def _remember_running(
        self, channel: Channel, found: AppSupport, known: dict[bytes, Theft]
    ) -> None:
        postfund, newest = channel.turn(POSTFUND_TURN), found.newest
        assert postfund is not None
        proof = [SignedState(channel.state(postfund), postfund.signatures)]
        if found.before is not None:
            proof.append(_signed(found.before))
        known.setdefault(newest.state_hash, (_signed(newest), tuple(proof)))

    def _remember_voucher(self, channel: Channel, known: dict[bytes, Theft]) -> None:
        postfund = channel.turn(POSTFUND_TURN)
        if postfund is None or not is_supported(channel, POSTFUND_TURN):
            return
        total, payer = channel.vouchers.total, channel.fixed.participants[0]
        message = voucher_hash(channel.channel_id, total)
        if message in known:
            return
        proof = self._for_chain(SignedState(channel.state(postfund), postfund.signatures))
        voucher = restore_v(message, channel.vouchers.signature, payer)
        state = redemption(proof, total, voucher)
        missing = (b"",) * channel.payee_index
        signed = SignedState(state, (*missing, self._actor.signer(state.state_hash())))
        known[message] = (signed, (proof,))

    def steal(self, channel_id: ChannelId, choice: int) -> None:
        """Register one of them, mostly an old one; or raise the record to the newest and be silent,
        so that who leaves has nothing of that turn."""
        known = list(self._thefts.get(channel_id, {}).values())
        if not known:
            return
        keeps_back = choice % KEPT_BACK_EVERY == 0
        first = known[-1] if keeps_back else known[0]
        theft, shown = first if choice < 50 else known[choice % len(known)]
        candidate, proof = self._for_chain(theft), tuple(map(self._for_chain, shown))
        if keeps_back:
            data = checkpoint_call(candidate, proof)
            self._note("state kept back" if proof else "record raised")
        else:
            wish = self._actor.signer(challenge_message(candidate.state.state_hash()))
            data = challenge_call(candidate, proof, wish)
        self._chain.pool.append(of_stranger(tx_hash(len(self._chain.blocks), choice + 10), data))
        self._note("theft tried")

    def _for_chain(self, signed: SignedState) -> SignedState:
        state_hash = signed.state.state_hash()

        def right(signature: Signature, who: Address) -> Signature:
            return restore_v(state_hash, signature, who) if signature else b""

        people = zip(signed.signatures, signed.state.fixed.participants, strict=True)
        return SignedState(signed.state, tuple(right(*each) for each in people))


def _signed(running: Running) -> SignedState:
    return SignedState(running.state, running.signatures)
