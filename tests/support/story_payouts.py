"""What strangers, forks, fees and bad receivers do to an exit that is under way."""

from __future__ import annotations

from collections.abc import Iterable

from node.chain.fees import Market, Moment, Standing, next_bid, wanted
from protocols.channel import is_finalised
from protocols.effects import SubmitTransaction
from protocols.types import Address
from tests.support.builders import DURATION_S
from tests.support.model_chain import BLOCK_TIME_S, ModelChain, ModelTransaction
from tests.support.story_deeds import stale_while_up
from tests.support.story_world import StoryWorld
from tests.support.web import WebNode


def _leave_until_final(world: StoryWorld, me: WebNode) -> None:
    """We left everything, and all of it is final for us; nothing is paid out yet."""
    world.leave_all()
    world.steps(4)
    world.pass_to(world.chain.time_s + DURATION_S)
    ledgers = [ledger_id for ledger_id, _ in world.neighbours(me)]
    for _ in range(20):
        if all(is_finalised(me.channel(known)) for known in ledgers):
            return
        world.step()
    raise AssertionError("the ledgers do not become final")


def deposits_and_transfers(world: StoryWorld, me: WebNode) -> None:
    """A stranger pays into the virtual channel and has it paid out: guarantees stay as they were
    (M2)."""
    world.leave_all()
    world.steps(4)
    world.deposit(world.virtual, 7)
    world.pass_to(world.chain.time_s + DURATION_S)
    world.step()
    world.transfer(world.virtual, 0, 1)
    world.steps(3)


def pays_out_for_us(world: StoryWorld, me: WebNode) -> None:
    """A stranger has every simple share paid out before we can."""
    _leave_until_final(world, me)
    for ledger_id, _ in world.neighbours(me):
        world.transfer(ledger_id, 0, 1)
    world.steps(3)


def pays_others_between(world: StoryWorld, me: WebNode) -> None:
    """A stranger has the other one's share paid out between any two steps of ours."""
    _leave_until_final(world, me)
    for _ in range(6):
        for ledger_id, _ in world.neighbours(me):
            other = 1 - me.channel(ledger_id).my_index
            world.transfer(ledger_id, other)
        world.step()


def reclaims_for_us(world: StoryWorld, me: WebNode) -> None:
    """A stranger gives our guarantees back in the block in which we do."""
    _leave_until_final(world, me)
    for ledger_id, _ in world.neighbours(me):
        shares = world.kept(ledger_id).outcome[0].allocations
        if any(share.destination == world.virtual for share in shares):
            world.reclaim(ledger_id, world.virtual)
    world.steps(3)


def fork_drops(world: StoryWorld, me: WebNode) -> None:
    """Every block of our exit is replaced once, and what was in it is gone."""
    world.leave_all()
    for _ in range(4):
        world.step()
        world.chain.reorg(1, keeps=False)
    _leave_until_final(world, me)
    for _ in range(10):
        world.step()
        world.chain.reorg(1, keeps=False)


def other_cannot_be_paid(world: StoryWorld, me: WebNode) -> None:
    """Payouts to the others revert: ours are none the worse (M3)."""
    world.chain.disputes.refusing = {node.actor.address for node in world.row if node is not me}


def we_cannot_be_paid_for_a_while(world: StoryWorld, me: WebNode) -> None:
    """A token keeps us out for some blocks: what failed stays ours, and is tried again."""
    _leave_until_final(world, me)
    world.chain.disputes.refusing = {me.actor.address}
    world.steps(12)
    world.chain.disputes.refusing = set()


# --- fees ---

GWEI = 10**9
CEILING_WEI = 500 * GWEI
"""As nodes are configured by default."""
USUAL = Market(4 * GWEI, GWEI)


class FeeChain(ModelChain):
    """A chain whose blocks take what bids enough; nodes bid by the node's own schedule."""

    def __init__(self, followers: Iterable[Address], depth: int) -> None:
        super().__init__(followers, depth)
        self.market = USUAL
        self.standing: dict[bytes, Standing] = {}
        """By transaction: what was bid for it."""
        self.rises: list[str] = []

    def sign(self, address: Address, order: SubmitTransaction) -> None:
        """The first bid."""
        super().sign(address, order)
        (name,) = set(self._requests) - set(self.standing) - {b""}
        now_s = self.time_s
        fees = wanted(self.market, 0, CEILING_WEI)
        self.standing[name] = Standing(fees, 0, now_s, now_s, order.deadline_s)

    def mine(self) -> None:
        """A block takes strangers' transactions, and ours that bid enough."""
        waits = [one for one in self.pool if one.intent_id and not self._is_paid(one)]
        self.pool = [one for one in self.pool if one not in waits]
        super().mine()
        self.pool += waits

    def _is_paid(self, transaction: ModelTransaction) -> bool:
        standing = self.standing[transaction.tx_hash]
        moment = Moment(len(self.blocks), self.time_s, BLOCK_TIME_S)
        bid = next_bid(standing, self.market, moment, CEILING_WEI)
        if bid is not None:
            self.rises.append(bid.reason)
            now_s = self.time_s
            standing = standing._replace(fees=bid.fees, step=bid.step, bid_s=now_s)
            self.standing[transaction.tx_hash] = standing
        return standing.fees.max_fee_wei >= self.market.base_fee_wei + 1


def fees_rise(world: StoryWorld, me: WebNode) -> None:
    """Gas costs fifty times as much from the block on in which our answer is signed."""
    chain = world.chain
    assert isinstance(chain, FeeChain)
    for ledger_id, cheat in world.neighbours(me):
        world.challenge(world.history[ledger_id][0], cheat)
    world.step()
    chain.market = Market(50 * USUAL.base_fee_wei, 50 * USUAL.tip_wei)
    world.steps(4)
    assert chain.rises, "the first bid does not do any more"
    for ledger_id, _ in world.neighbours(me):
        assert world.kept(ledger_id).finalizes_at == 0, "it is answered in time"


def fees_rise_near_the_end(world: StoryWorld, me: WebNode) -> None:
    """The same while we have but few blocks left."""
    chain = world.chain
    assert isinstance(chain, FeeChain)
    world.asleep = [me]
    stale_while_up(world, me)
    world.pass_to_last_blocks(world.neighbours(me)[-1][0], 5)
    world.restart(me)
    world.asleep = []
    world.step()
    chain.market = Market(50 * USUAL.base_fee_wei, 50 * USUAL.tip_wei)
    world.steps(4)
