"""What somebody dishonest does to a ledger: old states, hidden signatures, races, at any hour."""

from __future__ import annotations

from protocols import commands, inputs, messages
from protocols.ledger import after, ledger_state
from protocols.signed_state import SignedState
from protocols.transactions import ATTEMPT_COUNT_MAX
from protocols.types import ChannelId, amount_to_bytes
from tests.support.network import Said
from tests.support.story_world import StoryWorld
from tests.support.web import WebNode


def stale_while_up(world: StoryWorld, me: WebNode) -> None:
    """Every neighbour registers the first state of our ledger."""
    for ledger_id, cheat in world.neighbours(me):
        world.challenge(world.history[ledger_id][0], cheat)
    world.steps(3)


def stale_under_live_channel(world: StoryWorld, me: WebNode) -> None:
    """The newest state before the virtual channel was guaranteed."""
    for ledger_id, cheat in world.neighbours(me):
        unaware = [
            one
            for one in world.history[ledger_id]
            if all(share.destination != world.virtual for share in one.state.outcome[0].allocations)
        ]
        world.challenge(unaware[-1], cheat)
    world.steps(3)


def stale_while_down(world: StoryWorld, me: WebNode) -> None:
    """We are down, and back well before the deadline."""
    world.asleep = [me]
    stale_while_up(world, me)
    world.steps(world.random.randint(1, 6))
    world.restart(me)
    world.asleep = []
    world.steps(3)


def stale_until_the_last_block(world: StoryWorld, me: WebNode) -> None:
    """We are back with as many blocks left as an answer takes."""
    world.asleep = [me]
    stale_while_up(world, me)
    world.pass_to_last_blocks(world.neighbours(me)[-1][0], 2)
    world.restart(me)
    world.asleep = []
    world.steps(3)


def stale_before_signing(world: StoryWorld, me: WebNode) -> None:
    """We go down with the answer ordered and not signed."""
    for ledger_id, cheat in world.neighbours(me):
        world.challenge(world.history[ledger_id][0], cheat)
    world.chain.mine()
    while world.hear_of_chain(me):
        pass
    assert me.submissions, "the answer is ordered"
    world.restart(me)
    world.steps(4)


def stale_before_broadcast(world: StoryWorld, me: WebNode) -> None:
    """We go down with the answer signed and not sent."""
    for ledger_id, cheat in world.neighbours(me):
        world.challenge(world.history[ledger_id][0], cheat)
    world.chain.mine()
    while world.hear_of_chain(me):
        for order in me.submissions:
            world.chain.sign(me.actor.address, order)
        me.submissions.clear()
    assert me.broadcasts, "the answer is signed"
    world.restart(me)
    world.steps(4)


def stale_in_turn(world: StoryWorld, me: WebNode) -> None:
    """An older state, then a newer one over it before we answer: the clock starts anew."""
    for ledger_id, cheat in world.neighbours(me):
        for old in world.history[ledger_id][:-1]:
            world.challenge(old, cheat)
        world.checkpoint(world.history[ledger_id][1])
        for old in world.history[ledger_id][:-1]:
            world.challenge(old, cheat)
    world.steps(4)


def stale_after_a_checkpoint(world: StoryWorld, me: WebNode) -> None:
    """The record is raised to an old state first, and another old one registered above it."""
    for ledger_id, cheat in world.neighbours(me):
        old = world.history[ledger_id]
        world.checkpoint(old[1])
        world.step()
        world.challenge(old[-2], cheat)
    world.steps(4)


def newest_registered(world: StoryWorld, me: WebNode) -> None:
    """What is true is registered: there is nothing to answer, all runs out under a live channel."""
    for ledger_id, cheat in world.neighbours(me):
        world.challenge(world.history[ledger_id][-1], cheat)
    world.steps(3)


def races_our_checkpoint(world: StoryWorld, me: WebNode) -> None:
    """Our answer waits for a block when the challenger itself clears: ours reverts."""
    ledger_id, cheat = world.neighbours(me)[0]
    world.challenge(world.history[ledger_id][0], cheat)
    world.step()
    world.step()
    world.checkpoint(world.history[ledger_id][-1], first=True)
    world.steps(3)


def stale_in_every_block(world: StoryWorld, me: WebNode) -> None:
    """After our answer old states are tried again and again: all of them revert."""
    for _ in range(4):
        stale_while_up(world, me)


def challenges_without_end(world: StoryWorld, me: WebNode) -> None:
    """More stale challenges of one ledger than anybody gives up after, each of a newer state."""
    ledger_id, cheat = world.neighbours(me)[0]
    for number in range(ATTEMPT_COUNT_MAX + 2):
        world.honest = [me, cheat]
        me.feed(commands.PayLedger(ledger_id, 1, f"again {number}"))
        world.settle()
        world.keep_history()
        cheat.submissions.clear()
        world.honest = [me]
        world.challenge(world.history[ledger_id][-2], cheat)
        world.steps(3)
        assert world.kept(ledger_id).finalizes_at == 0, f"stale challenge {number} is not answered"
        while world.hear_of_chain(cheat):
            pass
    world.weigh_again()


def takes_the_proposal_alone(world: StoryWorld, me: WebNode) -> None:
    """We lead and propose; the follower signs for the chain and not for us."""
    ledger_id, cheat = _led_by(world, me)
    proposed = _propose(world, me, ledger_id, cheat)
    world.weigh_again()
    world.challenge(proposed, cheat)
    world.steps(4)


def checkpoints_the_proposal_alone(world: StoryWorld, me: WebNode) -> None:
    """We lead and propose; the follower signs for a checkpoint and tells us nothing."""
    ledger_id, cheat = _led_by(world, me)
    proposed = _propose(world, me, ledger_id, cheat)
    world.weigh_again()
    world.checkpoint(proposed)
    world.steps(4)


def clears_by_the_proposal_alone(world: StoryWorld, me: WebNode) -> None:
    """We lead, propose and leave; the follower clears our challenge by what it signed secretly, and
    a fork drops that once."""
    ledger_id, cheat = _led_by(world, me)
    proposed = _propose(world, me, ledger_id, cheat)
    world.weigh_again()
    me.feed(commands.ExitChannel(ledger_id))
    world.steps(2)
    assert world.kept(ledger_id).finalizes_at, "our challenge stands"
    world.checkpoint(proposed)
    world.step()
    world.chain.reorg(1, keeps=False)
    world.steps(2)
    world.checkpoint(proposed)
    world.steps(4)


def wishes_on_while_we_leave(world: StoryWorld, me: WebNode) -> None:
    """We lead, propose and leave; the follower wishes for payments all along, and clears our
    challenge by whatever we sign."""
    ledger_id, cheat = _led_by(world, me)
    _propose(world, me, ledger_id, cheat)
    world.weigh_again()
    me.feed(commands.ExitChannel(ledger_id))
    world.steps(2)
    clearing_count = 0
    for number in range(4):
        one = amount_to_bytes(1)
        wish = messages.LedgerPaymentRequest(ledger_id, one, f"wish {number}")
        me.feed(Said(cheat.actor, wish))
        me.feed(inputs.EndOfBatch())
        for signed in _unanswered(me, ledger_id, cheat):
            world.checkpoint(signed)
            clearing_count += 1
        world.steps(3)
    assert clearing_count == 1, "what had waited when we left"
    assert len(me.events_of("ledger-payment-refused")) == 4
    assert world.kept(ledger_id).finalizes_at, "our challenge stands"


def takes_no_proposal(world: StoryWorld, me: WebNode) -> None:
    """We lead and propose; the follower registers what was agreed before."""
    ledger_id, cheat = _led_by(world, me)
    _propose(world, me, ledger_id, cheat)
    world.weigh_again()
    world.challenge(world.history[ledger_id][-1], cheat)
    world.steps(4)


def _led_by(world: StoryWorld, me: WebNode) -> tuple[ChannelId, WebNode]:
    for ledger_id, other in world.neighbours(me):
        if me.channel(ledger_id).my_index == 0:
            return ledger_id, other
    raise AssertionError("this node leads nothing")


def _propose(world: StoryWorld, me: WebNode, ledger_id: ChannelId, cheat: WebNode) -> SignedState:
    me.feed(commands.PayLedger(ledger_id, 77, "not answered"))
    (signed,) = _unanswered(me, ledger_id, cheat)
    return signed


def _unanswered(me: WebNode, ledger_id: ChannelId, cheat: WebNode) -> list[SignedState]:
    """What we proposed in that ledger, with the follower's signature that we do not have."""
    channel, ledger = me.channel(ledger_id), me.ledger(ledger_id)
    vars_, found = ledger.current, []
    for proposal in ledger.queue:
        vars_ = after(vars_, proposal.change, channel.fixed)
        state = ledger_state(channel.fixed, ledger.asset, vars_, proposal.turn_num)
        theirs = cheat.actor.signer(state.state_hash())
        found.append(SignedState(state, (proposal.signature, theirs)))
    return found


def both_sides_at_once(world: StoryWorld, me: WebNode) -> None:
    """Neighbours on both sides collude: old states left and right, the channel in between too."""
    world.challenge(world.signed(world.payee, world.virtual, 0), world.payer)
    stale_while_up(world, me)


def closes_and_challenges(world: StoryWorld, me: WebNode) -> None:
    """A final state of the ledger is signed by both; an old one is registered all the same."""
    ledger_id, cheat = world.neighbours(me)[0]
    world.challenge(world.history[ledger_id][0], cheat)
    world.steps(4)


def overfunded(world: StoryWorld, me: WebNode) -> None:
    """A stranger's money lies in our ledger before and after it is challenged."""
    ledger_id, cheat = world.neighbours(me)[0]
    world.deposit(ledger_id, 333)
    world.steps(2)
    world.challenge(world.history[ledger_id][-1], cheat)
    world.steps(2)
    world.deposit(ledger_id, 1)
    world.steps(2)


def fork_drops_the_challenge(world: StoryWorld, me: WebNode) -> None:
    """A stale challenge goes with its block, and comes back in a later one."""
    ledger_id, cheat = world.neighbours(me)[0]
    world.challenge(world.history[ledger_id][0], cheat)
    world.step()
    world.chain.reorg(1, keeps=False)
    world.steps(2)
    world.challenge(world.history[ledger_id][0], cheat)
    world.steps(3)


def fork_drops_our_answer(world: StoryWorld, me: WebNode) -> None:
    """Our checkpoint is mined, and forked away with its block: the challenge stands again."""
    for ledger_id, cheat in world.neighbours(me):
        world.challenge(world.history[ledger_id][0], cheat)
    world.step()
    world.step()
    world.chain.reorg(1, keeps=False)
    world.steps(4)


def forks_all_along(world: StoryWorld, me: WebNode) -> None:
    """The newest block is replaced again and again, with and without what was in it."""
    for ledger_id, cheat in world.neighbours(me):
        world.challenge(world.history[ledger_id][0], cheat)
    for _ in range(5):
        world.step()
        world.chain.reorg(1, keeps=world.random.random() < 0.5)
    world.steps(4)


def endpoint_stalls(world: StoryWorld, me: WebNode) -> None:
    """No endpoint tells us anything until a few blocks before the deadline, then all at once."""
    world.is_deaf = True
    stale_while_up(world, me)
    world.pass_to_last_blocks(world.neighbours(me)[-1][0], 4)
    world.is_deaf = False
    world.steps(4)


def endpoint_tells_a_fork(world: StoryWorld, me: WebNode) -> None:
    """What an endpoint showed was another branch: a clearing that never was."""
    ledger_id, cheat = world.neighbours(me)[0]
    world.challenge(world.history[ledger_id][0], cheat)
    world.checkpoint(world.history[ledger_id][-1])
    world.step()
    # On the branch that counts there is the challenge alone.
    world.chain.reorg(1, keeps=False)
    world.challenge(world.history[ledger_id][0], cheat)
    world.steps(4)
