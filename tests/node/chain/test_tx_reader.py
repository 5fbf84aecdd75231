"""What a receipt says is checked, and a failure is named."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from protocols.inputs import TransactionReceipt
from tests.support.chain_room import until
from tests.support.tx_room import desk

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.mark.parametrize(
    "change",
    [{"effectiveGasPrice": hex(2**256)}, {"effectiveGasPrice": "0x-5"}, {"gasUsed": hex(2**64)},
     {"blockNumber": hex(2**64)}, {"status": "0x2"}],
)  # fmt: skip
async def test_a_receipt_that_no_record_can_hold_is_not_believed_and_asked_for_again(
    change: dict[str, str],
) -> None:
    async with desk() as it:
        signed = await it.send(1)
        it.pool.mine(signed.tx_hash)
        it.pool.overrides["eth_getTransactionReceipt"] = lambda params: {
            **it.pool.mined[params[0]], **change,
        }  # fmt: skip
        it.inbox.wake()
        await until(lambda: it.pool.blamed)
        assert it.heard.of(TransactionReceipt) == []
        it.pool.overrides.clear()
        receipt = await it.heard.first(TransactionReceipt)
        assert receipt.gas_price == 2 * 10**9


@pytest.mark.parametrize(
    ("gas_used", "failure"), [(46_000, "reverted"), (62_500, "out of gas"), (61_600, "out of gas")]
)
async def test_why_a_call_failed_is_told_by_what_it_burnt(
    autojump_clock: MockClock, gas_used: int, failure: str
) -> None:
    async with desk() as it:
        signed = await it.send(1)
        it.pool.gas_used = gas_used
        it.pool.mine(signed.tx_hash, succeeded=False)
        receipt = await it.heard.first(TransactionReceipt)
        assert (receipt.succeeded, receipt.failure) == (False, failure)
