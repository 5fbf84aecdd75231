"""What end-to-end tests do with real daemons: pay many times, judge by the chain, read the logs."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio

from node.cli.audit import audit_document
from node.cli.demo_chain import ChainTransaction, transactions_of
from node.cli.failures import CommandFailed
from node.deployment import Deployment, chain_call
from node.devnet import CHAIN_ID, CONTRACTS
from node.processes import free_port
from node.rpc.call import RpcUnreachable
from node.rpc.client import RpcClient, RpcError
from node.store.log import EventLog
from protocols import events
from protocols.crypto import keccak256
from protocols.types import amount_from_bytes, checksum_address, from_hex
from tests.support.anvil import start_anvil
from tests.support.contract_calls import Rpc
from tests.support.daemons import LocalNode, Network

STEP_TIMEOUT_S = 90.0
"""How long any single thing may take on a busy machine."""
IN_FLIGHT_COUNT = 8
NODE_GONE = (RpcUnreachable, CommandFailed)
"""What a call meets while a node is down: nobody answers, or its process is seen to be gone."""
FIRST_ANVIL_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""Secret of anvil's first account, published with it."""
NOT_STOPPED_CLEANLY = "not stopped cleanly"

_TOPICS = {
    keccak256(b"Deposited(bytes32,address,uint256)"): "Deposited",
    keccak256(b"Concluded(bytes32,uint48)"): "Concluded",
}


def amount_of(number: int) -> int:
    """What payment `number` pays, wei: each another amount."""
    return number + 1


def paid(count: int) -> int:
    """The sum of payments 0 to count - 1."""
    return sum(map(amount_of, range(count)))


def until(what: str, done: Callable[[], object], timeout_s: float = STEP_TIMEOUT_S) -> None:
    """Ask again and again; the test fails, naming what never came."""
    give_up_at = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < give_up_at, f"waited {timeout_s:g} s in vain until {what}"
        time.sleep(0.03)


@dataclass
class Purse:
    """What the chain said before, to be compared with what it says at the end."""

    network: Network
    before: tuple[int, int] = field(init=False)
    from_block: int = field(init=False)

    def __post_init__(self) -> None:
        self.before = self.network.balances()
        self.from_block = int(self.network.chain.call("eth_blockNumber"), 16) + 1

    @property
    def transactions(self) -> list[ChainTransaction]:
        """What alice and bob sent since."""
        senders = [node.address for node in self.network.nodes]
        return transactions_of(self.network.chain.url, senders, self.from_block)

    def moved(self) -> tuple[int, int]:
        """How much richer alice and bob are, the gas they burnt left out; wei."""
        now = self.network.balances()
        burnt = [
            sum(t.cost_wei for t in self.transactions if t.sender == node.address.lower())
            for node in self.network.nodes
        ]
        alice, bob = (a - b + g for a, b, g in zip(now, self.before, burnt, strict=True))
        return alice, bob

    def logs(self, name: str, channel_id: str) -> list[dict[str, Any]]:
        """The adjudicator's logs of a channel since."""
        query = {
            "address": self.network.chain.deployment.addresses["adjudicator"],
            "fromBlock": hex(self.from_block),
            "toBlock": "latest",
        }
        found = chain_call(self.network.chain.url, "eth_getLogs", query)
        return [
            log
            for log in found
            if _TOPICS.get(bytes.fromhex(log["topics"][0][2:])) == name
            and log["topics"][1] == channel_id
        ]


def channel_is(node: LocalNode, channel_id: str, status: str) -> bool:
    """Whether the node shows the channel so."""
    return bool(node.call("channel_get", channel_id=channel_id)["status"] == status)


def at_rest(node: LocalNode, channel_id: str) -> bool:
    """Closed, with both objectives completed."""
    objectives = node.call("objective_list")["objectives"]
    mine = [o["status"] for o in objectives if o["channel_id"] == channel_id]
    return channel_is(node, channel_id, "closed") and mine == ["completed", "completed"]


def connected(node: LocalNode, other: LocalNode) -> bool:
    """Whether the two have a session."""
    rows = node.call("node_status")["peers"]
    return any(row["address"] == other.address and row["connected"] for row in rows)


def log_lines(node: LocalNode) -> list[dict[str, Any]]:
    """What the daemon logged, over all its starts."""
    lines = node.child.stderr_path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def records(node: LocalNode) -> list[events.Event]:
    """The log, read beside the daemon or after it."""
    log = EventLog.open(node.log_path, read_only=True)
    try:
        return [event for _, event in log.read_events()]
    finally:
        log.close()


def ended_cleanly(node: LocalNode) -> bool:
    """Whether the last record is the digest of a clean stop."""
    last = records(node)[-1]
    return isinstance(last, events.StateDigestRecorded) and last.clean_stop


def audit_notes(node: LocalNode) -> list[str]:
    """The notes of the audit, which finds nothing wrong."""
    document = audit_document(node.log_path)
    assert document["findings"] == [], document["findings"]
    return [note["message"] for note in document["notes"]]


async def pay(
    node: LocalNode,
    channel_id: str,
    numbers: Iterable[int],
    acknowledged: dict[int, dict[str, Any]],
    wait_for: Callable[[int], str] = lambda number: "receipt",
) -> None:
    """Pay the numbered payments, each under its own request id; keep every answer as it comes.

    Some may be left without one: refused for now. Raises one of NODE_GONE if the node ends.
    """
    wanted = [number for number in numbers if number not in acknowledged]

    def on_answer(index: int, answer: object) -> None:
        if isinstance(answer, RpcError) and answer.retry_safe:
            return  # a node that just started does not know the chain yet
        assert not isinstance(answer, RpcError), f"payment {wanted[index]}: {answer}"
        assert isinstance(answer, dict)
        acknowledged[wanted[index]] = answer

    calls = (
        (
            "payment_send",
            {
                "channel_id": channel_id,
                "amount": str(amount_of(number)),
                "request_id": f"payment {number} in {channel_id}",
                "until": wait_for(number),
            },
        )
        for number in wanted
    )
    async with await RpcClient.connect(node.endpoint) as client:
        await client.call_many(calls, in_flight_max=IN_FLIGHT_COUNT, on_answer=on_answer)


class Survivors:
    """Alice and bob, of whom one is armed to kill itself; it is started again, unarmed."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.crash_count = 0
        self.on_crash: Callable[[LocalNode], None] = lambda node: None

    def arm(self, node: LocalNode, fault: str) -> None:
        """Start the node again with its fault point armed, when nothing old is left to be sent.

        Its own first write or message, while it connects, may already be the one it falls at.
        """
        until(
            f"{node.name}'s messages are acknowledged",
            lambda: not node.call("node_status")["outbox"]["message_count"],
        )
        assert node.stop() == 0
        node.start(TALLY_FAULT=fault)
        alice, bob = self.network.nodes

        def ready_or_fallen() -> object:
            # Asked first: alice answers as ever that a bob who fell is not connected.
            if node.child.exit_code is not None:
                return True
            try:
                return connected(alice, bob)
            except NODE_GONE:
                return False

        until("the two are connected, or one fell", ready_or_fallen)

    def revive(self) -> None:
        """Start again who killed itself."""
        for node in self.network.nodes:
            code = node.child.exit_code
            if code is not None:
                assert code == -signal.SIGKILL, node.stderr_tail()
                self.crash_count += 1
                node.kill()  # it is dead; this closes its pipe
                self.on_crash(node)
                node.start()

    def until(self, what: str, done: Callable[[], object]) -> None:
        """Wait, reviving whoever falls; a node that does not answer is not done yet."""

        def tried() -> object:
            self.revive()
            try:
                return done()
            except NODE_GONE:
                return False

        until(what, tried)

    def call(self, node: LocalNode, method: str, /, **params: Any) -> Any:
        """One call, repeated until the node lives to answer it."""
        answers: list[Any] = []

        def asked() -> bool:
            answers.append(node.call(method, **params))
            return True

        self.until(f"{method} is answered", asked)
        return answers[-1]

    def pay(
        self, channel_id: str, count: int, wait_for: Callable[[int], str]
    ) -> dict[int, dict[str, Any]]:
        """Alice's payments 0 to count - 1, those without an answer again and again."""
        acknowledged: dict[int, dict[str, Any]] = {}
        trio.run(partial(self._pay, channel_id, range(count), acknowledged, wait_for))
        return acknowledged

    def pay_until_a_crash(self, channel_id: str, count: int) -> dict[int, dict[str, Any]]:
        """Alice pays until a node dies; nobody is revived. The payments that were receipted."""
        acknowledged: dict[int, dict[str, Any]] = {}

        async def pay_on() -> None:
            try:
                while True:
                    await pay(self.network.alice, channel_id, range(count), acknowledged)
                    await trio.sleep(0.02)
            except NODE_GONE:
                await trio.sleep_forever()

        async def work() -> None:
            with trio.fail_after(STEP_TIMEOUT_S):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(pay_on)
                    while all(node.child.exit_code is None for node in self.network.nodes):
                        await trio.sleep(0.01)
                    nursery.cancel_scope.cancel()

        trio.run(work)
        for node in self.network.nodes:
            if node.child.exit_code is not None:
                assert node.child.exit_code == -signal.SIGKILL
                node.kill()
        return acknowledged

    async def _pay(
        self,
        channel_id: str,
        numbers: Sequence[int],
        acknowledged: dict[int, dict[str, Any]],
        wait_for: Callable[[int], str],
    ) -> None:
        with trio.fail_after(STEP_TIMEOUT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_alive)
                while len(acknowledged) < len(numbers):
                    try:
                        await pay(self.network.alice, channel_id, numbers, acknowledged, wait_for)
                    except NODE_GONE:
                        await trio.sleep(0.02)
                nursery.cancel_scope.cancel()

    async def _keep_alive(self) -> None:
        while True:
            # In this very thread: the kernel ends a child with the thread that started it.
            self.revive()
            await trio.sleep(0.02)


def issued(node: LocalNode) -> dict[bytes, int]:
    """The payments in the payer's log: id -> amount. Each stands there once."""
    found = [e for e in records(node) if isinstance(e, events.VoucherIssued)]
    assert len({event.payment_id for event in found}) == len(found)
    return {event.payment_id: amount_from_bytes(event.amount) for event in found}


def received(node: LocalNode) -> dict[bytes, int]:
    """The payments in the payee's log: id -> amount. Each stands there once."""
    found = [e for e in records(node) if isinstance(e, events.VoucherReceived)]
    assert len({event.payment_id for event in found}) == len(found)
    return {event.payment_id: amount_from_bytes(event.amount) for event in found}


class RestartableChain:
    """A local chain that keeps its state in a file: it can go away and come back on its port."""

    def __init__(self, state_file: Path) -> None:
        # While it is away its nodes dial it: no connection of anybody's may be given its port.
        port = free_port()
        self._options: dict[str, object] = {"state": state_file, "chain_id": CHAIN_ID, "port": port}
        self._running = contextlib.ExitStack()
        self.start()
        with contextlib.closing(Rpc(int(str(self._options["port"])))) as rpc:
            addresses = {
                name: checksum_address(from_hex(rpc.deploy(contract).address))
                for name, contract in CONTRACTS.items()
            }
        self.url = f"ws://127.0.0.1:{self._options['port']}"
        self.deployment = Deployment(
            CHAIN_ID, self.url, addresses, (FIRST_ANVIL_KEY,), confirmation_count=0
        )

    def start(self) -> None:
        """Come (back): on the same port, from where it was left."""
        self._running.enter_context(start_anvil(**self._options))

    def stop(self) -> None:
        """Go away."""
        self._running.close()
