"""Signs anew what is not mined in time, under its nonce, with the higher fees that `fees` decides.

What the owner's ceiling forbids is told. Nothing is sent here: the core records each bid first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog
import trio

from node.chain.fees import Market, Moment, Standing, is_held_back, next_bid
from node.chain.nonces import OwnedTransaction
from node.chain.transactions import Prepared, TransactionMaker, opened
from node.chain.tx_desk import TransactionDesk, has_had_its_time_to_disk
from protocols.inputs import Input, TransactionHeldBack, TransactionReplaced
from protocols.transactions import REPLACEMENT_COUNT_MAX

log = structlog.get_logger()


class Bidder:
    """Raises the bids of the desk's transactions."""

    def __init__(
        self,
        desk: TransactionDesk,
        maker: TransactionMaker,
        submit: Callable[[Input], Awaitable[None]],
    ) -> None:
        self._desk = desk
        self._maker = maker
        self._submit = submit

    async def bid_higher(self, unmined: Sequence[OwnedTransaction]) -> None:
        """Look at what is not mined; raises as `TransactionMaker.market`."""
        waiting = [
            owned
            for owned in unmined
            if not owned.settled and has_had_its_time_to_disk(owned.offered_at)
        ]
        if not waiting:
            return
        market, moment = await self._maker.market(), self._desk.moment()
        for owned in waiting:
            prepared, _ = opened(owned.raw)
            deadline_s = self._desk.book.urgent_deadline(owned.nonce)
            standing = Standing(prepared.fees, owned.step, owned.began_s, owned.bid_s, deadline_s)
            await self._offer(owned, prepared, standing, market, moment)

    async def _offer(
        self,
        owned: OwnedTransaction,
        prepared: Prepared,
        standing: Standing,
        market: Market,
        moment: Moment,
    ) -> None:
        ceiling_wei = self._maker.fee_ceiling_wei
        if next_bid(standing, market, moment, ceiling_wei) is not None:
            ceiling_wei = await self._maker.ceiling_for(prepared)
        bid = next_bid(standing, market, moment, ceiling_wei)
        if is_held_back(standing, market, moment, ceiling_wei) and not owned.held_back:
            owned.held_back = True
            blocks_left = moment.blocks_until(standing.deadline_s)
            place = (market.base_fee_wei, ceiling_wei, moment.block_num, blocks_left)
            await self._submit(TransactionHeldBack(owned.intent_id, *place))
        if bid is None or len(owned.earlier) >= REPLACEMENT_COUNT_MAX:
            return
        signed = self._maker.sign(prepared._replace(fees=bid.fees), owned.nonce)
        owned.step, owned.bid_s, owned.offered_at = bid.step, moment.time_s, trio.current_time()
        log.info("transaction bids more", nonce=owned.nonce, reason=bid.reason, fees=bid.fees)
        await self._submit(
            TransactionReplaced(
                owned.intent_id,
                owned.tx_hash,
                signed.tx_hash,
                owned.nonce,
                (prepared.fees.max_fee_wei, prepared.fees.priority_fee_wei),
                (bid.fees.max_fee_wei, bid.fees.priority_fee_wei),
                signed.raw,
                bid.reason.value,
            )
        )
