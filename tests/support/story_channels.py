"""What somebody dishonest does to payment channels, direct and virtual, and with a hub's help."""

from __future__ import annotations

from protocols import commands, inputs, messages
from protocols.channel import POSTFUND_TURN, REDEMPTION_TURN, supported_final
from protocols.exit_calls import redemption
from protocols.objectives.closing import final_outcome
from protocols.signed_state import SignedState
from protocols.state import State
from protocols.types import ChannelId
from protocols.voucher import sign_voucher
from tests.support.network import Said
from tests.support.story_deeds import stale_under_live_channel, stale_while_up
from tests.support.story_world import AMOUNT, StoryWorld
from tests.support.web import WebNode

# --- an old state of the channel, by whoever takes part ---


def payer_registers_prefund(world: StoryWorld, me: WebNode) -> None:
    """The payer pretends that nothing was ever paid."""
    for channel_id in (world.direct, world.virtual):
        world.challenge(world.signed(world.payer, channel_id, 0), world.payer)
    world.steps(4)


def payer_registers_postfund(world: StoryWorld, me: WebNode) -> None:
    """The same with the state of after the funding."""
    for channel_id in (world.direct, world.virtual):
        world.challenge(world.signed(world.payer, channel_id, 1), world.payer)
    world.steps(4)


def hub_registers_prefund(world: StoryWorld, me: WebNode) -> None:
    """A hub ends the channel that it carries, with what was before the payments."""
    hub = next(node for node in world.row[1:-1] if node is not me)
    world.challenge(world.signed(hub, world.virtual, 0), hub)
    world.steps(4)


def three_times(world: StoryWorld, me: WebNode) -> None:
    """Prefund by the payer, postfund by a hub over it: each begins the clock anew."""
    world.challenge(world.signed(world.payer, world.virtual, 0), world.payer)
    world.steps(2)
    world.challenge(world.signed(world.row[1], world.virtual, 1), world.row[1])
    world.steps(4)


def prefund_while_down(world: StoryWorld, me: WebNode) -> None:
    """We are down, and back with as many blocks left as an answer takes."""
    world.asleep = [me]
    payer_registers_prefund(world, me)
    world.pass_to_last_blocks(world.virtual, 2)
    world.restart(me)
    world.asleep = []
    world.steps(4)


def prefund_during_restart(world: StoryWorld, me: WebNode) -> None:
    """We go down with our redemption signed and not sent."""
    for channel_id in (world.direct, world.virtual):
        world.challenge(world.signed(world.payer, channel_id, 0), world.payer)
    world.chain.mine()
    while world.hear_of_chain(me):
        for order in me.submissions:
            world.chain.sign(me.actor.address, order)
        me.submissions.clear()
    assert me.broadcasts, "the redemption is signed"
    world.restart(me)
    world.steps(4)


def payer_never_closes(world: StoryWorld, me: WebNode) -> None:
    """The payee asks to close, and nobody ever answers."""
    for channel_id in (world.direct, world.virtual):
        me.feed(commands.CloseChannel(channel_id))
    world.steps(5)


# --- redemptions ---


def payee_redeems_and_vanishes(world: StoryWorld, me: WebNode) -> None:
    """The payee registers its largest voucher: that is its right."""
    for kept in world.redemptions.values():
        state, proof = kept[-1]
        world.challenge(state, world.payee, proof)
    world.steps(4)


def payee_redeems_a_stale_voucher(world: StoryWorld, me: WebNode) -> None:
    """The payee registers an older voucher: the payer gets more than she must."""
    for kept in world.redemptions.values():
        state, proof = kept[0]
        world.challenge(state, world.payee, proof)
    world.steps(4)


def redeems_in_the_last_block(world: StoryWorld, me: WebNode) -> None:
    """We leave with the postfund; in the block before the deadline the payee redeems."""
    me.feed(commands.ExitChannel(world.virtual))
    world.steps(4)
    world.pass_to_last_blocks(world.virtual, 1)
    state, proof = world.redemptions[world.virtual][-1]
    world.challenge(state, world.payee, proof)
    world.steps(2)
    assert world.kept(world.virtual).turn_num == 2


def payee_checkpoints_its_redemption(world: StoryWorld, me: WebNode) -> None:
    """The payee raises the record to its redemption and challenges with nothing: nothing that we
    were given is as new."""
    for kept in world.redemptions.values():
        world.checkpoint(*kept[-1])
    world.steps(4)


def payee_clears_by_its_redemption(world: StoryWorld, me: WebNode) -> None:
    """We leave with the postfund, and the payee clears our challenge by a redemption; a fork drops
    that, and the redemption of another voucher clears it in the end."""
    own = [known for known in world.redemptions if known in me.state.channels]
    for channel_id in own:
        me.feed(commands.ExitChannel(channel_id))
    world.steps(2)
    for channel_id in own:
        assert world.kept(channel_id).finalizes_at, "our challenge stands"
        world.checkpoint(*world.redemptions[channel_id][0])
    world.step()
    world.chain.reorg(1, keeps=False)
    world.steps(2)
    for channel_id in own:
        world.checkpoint(*world.redemptions[channel_id][-1])
    world.steps(4)
    for channel_id in own:
        # Below the record there is nothing more to clear by: what stands now stands to the end.
        assert world.kept(channel_id).turn_num == REDEMPTION_TURN


def ends_keep_the_postfund(world: StoryWorld, me: WebNode) -> None:
    """Everybody else signs one more channel's postfund and keeps that from us; then the payee
    checkpoints a redemption of it."""
    channel_id = world.open(AMOUNT, b"kept")
    channels = me.state.channels
    world.until(
        lambda: channel_id in channels and me.channel(channel_id).signed_by_me(POSTFUND_TURN)
    )
    postfund = me.channel(channel_id).turn(POSTFUND_TURN)
    assert postfund is not None
    assert not all(postfund.signatures)
    world.weigh_again()
    state = me.channel(channel_id).state(postfund)
    signed = SignedState(state, tuple(one.actor.signer(postfund.state_hash) for one in world.row))
    voucher = sign_voucher(channel_id, 10, world.payer.actor.signer)
    redeemed = redemption(signed, 10, voucher)
    nobody = (b"",) * (len(world.row) - 1)
    payees = world.payee.actor.signer(redeemed.state_hash())
    world.checkpoint(SignedState(redeemed, (*nobody, payees)), signed)
    world.steps(4)


def ends_collude_against_hubs(world: StoryWorld, me: WebNode) -> None:
    """Payer and payee make a voucher for everything: what a hub gives right it has from left."""
    voucher = sign_voucher(world.virtual, AMOUNT, world.payer.actor.signer)
    state, proof = world.redemption(world.virtual, AMOUNT, voucher)
    world.challenge(state, world.payee, proof)
    world.steps(4)


# --- collusion with a hub ---


def hub_and_payee_collude(world: StoryWorld, me: WebNode) -> None:
    """The payee redeems, and the hub goes back to a ledger that knows of no channel."""
    state, proof = world.redemptions[world.virtual][-1]
    world.challenge(state, world.payee, proof)
    stale_under_live_channel(world, me)


def hub_and_payer_collude(world: StoryWorld, me: WebNode) -> None:
    """Nothing was paid, says the payer; there is no channel, says the hub."""
    payer_registers_prefund(world, me)
    stale_under_live_channel(world, me)


def all_against_one(world: StoryWorld, me: WebNode) -> None:
    """Everybody else: the oldest state of every ledger and of every channel at once."""
    for ledger_id, states in world.history.items():
        place = world.ledgers.index(ledger_id)
        cheat = next(node for node in world.row[place : place + 2] if node is not me)
        world.challenge(states[0], cheat)
    cheat = next(node for node in world.row if node is not me)
    world.challenge(world.signed(cheat, world.virtual, 0), cheat)
    if me is not world.payer:
        world.challenge(world.signed(world.payer, world.direct, 0), world.payer)
    world.steps(4)


# --- closing together, and something else on chain ---


def all_sign_final(world: StoryWorld) -> None:
    """Everybody signed the final states, and no guarantee is given back yet."""
    for channel_id in (world.virtual, world.direct):
        world.payer.feed(commands.CloseChannel(channel_id))
    world.until(
        lambda: all(supported_final(node.channel(world.virtual)) is not None for node in world.row)
    )
    world.until(
        lambda: all(
            supported_final(node.channel(world.direct)) is not None
            for node in (world.payer, world.payee)
        )
    )


def challenges_after_final(world: StoryWorld, me: WebNode) -> None:
    """Somebody who signed the final state challenges with the postfund all the same."""
    cheat = next(node for node in world.row if node is not me)
    world.challenge(world.signed(cheat, world.virtual, 1), cheat)
    if me in (world.payer, world.payee):
        other = world.payee if me is world.payer else world.payer
        world.challenge(world.signed(other, world.direct, 1), other)
    world.steps(5)


def concludes_by_itself(world: StoryWorld, me: WebNode) -> None:
    """Somebody concludes the virtual channel on chain before its guarantees are given back."""
    final = supported_final(world.row[0].channel(world.virtual))
    assert final is not None
    world.conclude(world.signed(world.row[0], world.virtual, final.turn_num))
    world.steps(4)


def vanishes_at_defund(world: StoryWorld, me: WebNode) -> None:
    """The final state is there, and nobody gives a guarantee back."""
    world.steps(4)


def races_our_conclusion(world: StoryWorld, me: WebNode) -> None:
    """We conclude under a challenge; a stranger's conclusion is mined first."""
    cheat = next(node for node in world.row if node is not me)
    world.challenge(world.signed(cheat, world.virtual, 1), cheat)
    world.step()
    world.step()
    final = supported_final(me.channel(world.virtual))
    assert final is not None
    world.conclude(world.signed(me, world.virtual, final.turn_num))
    world.chain.pool.reverse()
    world.steps(4)


def signs_final_with_less(world: StoryWorld, me: WebNode) -> None:
    """The payer's final state forgets what she paid; refused, she registers the postfund."""
    for channel_id in (world.direct,):
        me.feed(Said(world.payer.actor, _final_of(world, channel_id, 0, 3)))
        me.feed(inputs.EndOfBatch())
        world.challenge(world.signed(world.payer, channel_id, 1), world.payer)
    world.steps(4)


def signs_final_twice(world: StoryWorld, me: WebNode) -> None:
    """A good final state, and at the next turn one that pays less: only one of them counts."""
    paid = me.channel(world.direct).vouchers.total
    for turn_num, amount in ((3, paid), (4, 0)):
        me.feed(Said(world.payer.actor, _final_of(world, world.direct, amount, turn_num)))
        me.feed(inputs.EndOfBatch())
    world.challenge(world.signed(world.payer, world.direct, 1), world.payer)
    world.steps(4)


def keeps_our_final(world: StoryWorld, me: WebNode) -> None:
    """The payer signs the final state; the payee keeps it, redeems first and concludes then."""
    me.feed(commands.CloseChannel(world.direct))
    world.weigh_again()
    theirs = me.channel(world.direct).turn(3)
    assert theirs is not None
    state = me.channel(world.direct).state(theirs)
    redeemed, proof = world.redemptions[world.direct][0]
    world.challenge(redeemed, world.payee, proof)
    world.steps(3)
    both = (theirs.signatures[0], world.payee.actor.signer(theirs.state_hash))
    world.conclude(SignedState(state, both))
    world.steps(4)


def _final_of(
    world: StoryWorld, channel_id: ChannelId, paid: int, turn_num: int
) -> messages.SignedState:
    channel = world.payer.channel(channel_id)
    state = State(channel.fixed, b"", final_outcome(channel, paid), turn_num, True)
    signature = world.payer.actor.signer(state.state_hash())
    return messages.SignedState(channel_id, state.encode(), signature, b"")


def restored_and_challenged(world: StoryWorld, me: WebNode) -> None:
    """We lost the end of our log and meet a challenge before we meet our peers (M27)."""
    me.lose_tail()
    world.restart(me)
    world.weigh_again()
    payer_registers_prefund(world, me)
    stale_while_up(world, me)
