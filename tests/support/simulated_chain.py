"""A chain in memory that forks on command, and endpoints that serve it well or badly."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from eth_abi import encode
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from node.chain.errors import EndpointDown, RpcError
from node.chain.reader import HOLDINGS_SELECTOR, STATUS_SELECTOR
from node.chain.rpc_client import RpcClient, Subscription
from node.chain.wire import Header, RawLog, header
from protocols.crypto import keccak256
from protocols.inputs import ChainLog

ADJUDICATOR = b"\xad" * 20
GENESIS_TIME_S = 1_700_000_000
BLOCK_TIME_S = 12
DEPOSITED = keccak256(b"Deposited(bytes32,address,uint256)")

Json = dict[str, Any]
_serials = itertools.count(1)


def channel(number: int) -> bytes:
    """A channel id that is easy to tell from others."""
    return b"\xc0" + number.to_bytes(31, "big")


class SimulatedChain:
    """Blocks with deposits into numbered channels; `fork` replaces the newest ones."""

    def __init__(self, chain_id: int = 31_337) -> None:
        self.chain_id = chain_id
        self.code = "0x6001"
        self.blocks: list[Json] = []
        self.known: dict[str, Json] = {}
        self.logs: dict[str, list[Json]] = {}
        self.listeners: list[Callable[[Json], None]] = []
        self.logs_block_count_max = 10_000
        self.log_requests: list[Json] = []
        self.challenged: dict[bytes, int] = {}
        """Channel -> when its challenge ends."""
        self.extend()

    @property
    def head(self) -> Header:
        """The newest block."""
        return header(self.blocks[-1])

    def extend(self, *deposits: int) -> Json:
        """One more block, with one deposit each into these channels."""
        number = len(self.blocks)
        parent = self.blocks[-1]["hash"] if self.blocks else "0x" + "00" * 32
        name = "0x" + keccak256(next(_serials).to_bytes(8, "big")).hex()
        time_s = GENESIS_TIME_S + number * BLOCK_TIME_S
        block = {
            "number": hex(number), "hash": name, "parentHash": parent, "timestamp": hex(time_s)
        }  # fmt: skip
        self.blocks.append(block)
        self.known[name] = block
        self.logs[name] = [_deposit(block, index, who) for index, who in enumerate(deposits)]
        for listener in self.listeners:
            listener(block)
        return block

    def fork(self, depth: int, replacements: Iterable[Sequence[int]] = ()) -> None:
        """Replace the newest `depth` blocks by these."""
        del self.blocks[len(self.blocks) - depth :]
        for deposits in replacements:
            self.extend(*deposits)

    def canonical(self) -> list[tuple[int, int]]:
        """(block, channel) of every deposit that is part of the chain, in order."""
        return [
            (int(log["blockNumber"], 16), int(log["topics"][1][4:], 16))
            for block in self.blocks
            for log in self.logs[block["hash"]]
        ]

    def answer(self, method: str, params: list[Any]) -> Any:
        """What an endpoint of this chain answers; `RpcError` where it refuses."""
        match method, params:
            case "eth_chainId", _:
                return hex(self.chain_id)
            case "eth_getCode", _:
                return self.code
            case "eth_blockNumber", _:
                return self.blocks[-1]["number"]
            case "eth_getBlockByNumber", ["latest", _]:
                return self.blocks[-1]
            case "eth_getBlockByNumber", [number, _]:
                index = int(number, 16)
                return self.blocks[index] if index < len(self.blocks) else None
            case "eth_getBlockByHash", [name, _]:
                return self.known.get(name)
            case "eth_getLogs", [where]:
                return self._logs(where)
            case "eth_call", [order, {"blockHash": name}]:
                return "0x" + self._view(bytes.fromhex(order["data"][2:]), name).hex()
        raise RpcError(method, -32601, "method not found")

    def _view(self, call: bytes, name: str) -> bytes:
        """holdings(asset, channel) and statusOf(channel)."""
        if name not in [block["hash"] for block in self.blocks]:
            raise RpcError("eth_call", -32000, "header not found")
        if call[:4] == STATUS_SELECTOR:
            return bytes(6) + self.challenged.get(call[4:], 0).to_bytes(6, "big") + bytes(20)
        assert call[:4] == HOLDINGS_SELECTOR
        number = int.from_bytes(call[37:], "big")
        until = int(self.known[name]["number"], 16)
        found = [who for block_num, who in self.canonical() if block_num <= until]
        return (found.count(number) * number).to_bytes(32, "big")

    def _logs(self, where: Json) -> list[Json]:
        self.log_requests.append(where)
        if "blockHash" in where:
            if where["blockHash"] not in [block["hash"] for block in self.blocks]:
                raise RpcError("eth_getLogs", -32000, "unknown block")
            return list(self.logs[where["blockHash"]])
        first, last = int(where["fromBlock"], 16), int(where["toBlock"], 16)
        if last - first >= self.logs_block_count_max:
            raise RpcError("eth_getLogs", -32005, "range too large")
        return [log for block in self.blocks[first : last + 1] for log in self.logs[block["hash"]]]


def _deposit(block: Json, index: int, number: int) -> Json:
    return {
        "address": "0x" + ADJUDICATOR.hex(),
        "topics": ["0x" + DEPOSITED.hex(), "0x" + channel(number).hex()],
        "data": "0x" + encode(["address", "uint256"], ["0x" + "00" * 20, number]).hex(),
        "blockNumber": block["number"],
        "blockHash": block["hash"],
        "transactionHash": "0x" + keccak256(block["hash"].encode() + bytes([index])).hex(),
        "transactionIndex": hex(index),
        "logIndex": hex(index),
        "removed": False,
    }


class PlainDecoder:
    """Turns a simulated deposit into an input without any ABI."""

    def decode(self, log: RawLog) -> ChainLog | None:
        """Every log is a deposit."""
        return ChainLog(
            log_name="Deposited",
            channel_id=log.topics[1],
            block_num=log.block_num,
            block_hash=log.block_hash,
            tx_hash=log.tx_hash,
            tx_index=log.tx_index,
            log_index=log.log_index,
            confirmed=False,
            amount=int.from_bytes(log.data[32:], "big"),
        )


class SimulatedClient:
    """A client of a simulated chain, without a wire (see `rpc_client.RpcClient`)."""

    def __init__(self, chain: SimulatedChain, *, subscribes: bool = True) -> None:
        self.url = self.label = "sim://chain"
        self.closed = trio.Event()
        self.closed_reason = ""
        self.chain = chain
        self.subscribes = subscribes
        self.fails_after_count: int | None = None
        self.before_call: Callable[[str], None] = lambda method: None
        self.overrides: dict[str, Callable[[Any], Any]] = {}
        self._subscriptions: list[Subscription] = []
        self.log_subscriptions: list[Subscription] = []

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await self.closed.wait()

    async def call(self, method: str, params: list[Any]) -> Any:
        await trio.lowlevel.checkpoint()
        if self.fails_after_count is not None:
            self.fails_after_count -= 1
            if self.fails_after_count < 0:
                self.close("the connection was cut")
        if self.closed.is_set():
            raise EndpointDown(self.label, self.closed_reason)
        self.before_call(method)
        if method in self.overrides:
            return self.overrides[method](params)
        return self.chain.answer(method, params)

    async def subscribe(self, kind: str, *params: Any) -> Subscription | None:
        await trio.lowlevel.checkpoint()
        if self.closed.is_set():
            raise EndpointDown(self.label, self.closed_reason)
        if not self.subscribes:
            return None
        subscription = Subscription(self.label)
        if kind == "logs":
            assert params == ({"address": "0x" + ADJUDICATOR.hex()},)
            self.log_subscriptions.append(subscription)
            return subscription
        self._subscriptions.append(subscription)
        self.chain.listeners.append(subscription.push)
        return subscription

    async def unsubscribe(self, subscription: Subscription) -> None:
        await trio.lowlevel.checkpoint()
        if subscription in self.log_subscriptions:
            self.log_subscriptions.remove(subscription)
        else:
            self._subscriptions.remove(subscription)
            self._forget(subscription)

    def tell(self, log: Json) -> None:
        """One log to everybody who subscribed to logs."""
        for subscription in self.log_subscriptions:
            subscription.push(log)

    def fall_silent(self) -> None:
        """From now on nobody who subscribed is told of anything."""
        for subscription in self._subscriptions:
            self._forget(subscription)

    def _forget(self, subscription: Subscription) -> None:
        if subscription.push in self.chain.listeners:
            self.chain.listeners.remove(subscription.push)

    def close(self, reason: str) -> None:
        if not self.closed.is_set():
            self.closed_reason = reason
            self.closed.set()
            self.fall_silent()
            for subscription in (*self._subscriptions, *self.log_subscriptions):
                subscription.close(reason)


class SimulatedLink:
    """Lends out clients made by `connect`; a closed one is replaced (see `link.EndpointLink`)."""

    def __init__(self, connect: Callable[[], RpcClient]) -> None:
        self._connect = connect
        self.clients: list[RpcClient] = []
        self.useful_count = 0
        self.blamed: list[str] = []

    async def client(self) -> RpcClient:
        await trio.lowlevel.checkpoint()
        if not self.clients:
            self.clients.append(self._connect())
        elif self.clients[-1].closed.is_set():
            await trio.sleep(0.25)
            self.clients.append(self._connect())
        return self.clients[-1]

    async def call(self, method: str, params: list[Any]) -> Any:
        return await (await self.client()).call(method, params)

    def blame(self, client: RpcClient, reason: str) -> None:
        self.blamed.append(reason)

    def proved_useful(self) -> None:
        self.useful_count += 1


Handler = Callable[[WebSocketConnection], Awaitable[None]]


@asynccontextmanager
async def websocket_endpoint(handler: Handler) -> AsyncIterator[str]:
    """A WebSocket server on a free port of this machine; gives its URL."""

    async def accept(request: WebSocketRequest) -> None:
        connection = await request.accept()
        try:
            await handler(connection)
        except ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, accept, "127.0.0.1", 0, None)
        yield f"ws://127.0.0.1:{server.port}"
        nursery.cancel_scope.cancel()


def serving(chain: SimulatedChain) -> Handler:
    """The handler of a good endpoint of this chain."""

    async def handle(connection: WebSocketConnection) -> None:
        while True:
            request = json.loads(await connection.get_message())
            answer: Json = {"jsonrpc": "2.0", "id": request["id"]}
            try:
                answer["result"] = chain.answer(request["method"], request["params"])
            except RpcError as error:
                answer["error"] = {"code": error.code, "message": error.message}
            await connection.send_message(json.dumps(answer))

    return handle


@asynccontextmanager
async def tcp_endpoint(
    handler: Callable[[trio.SocketStream], Awaitable[None]], scheme: str = "http"
) -> AsyncIterator[str]:
    """A bare TCP server on a free port of this machine; gives its URL."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            await handler(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        yield f"{scheme}://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
