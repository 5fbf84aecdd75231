"""From a message to its answer: envelope, method, parameters, node, and back.

Commands are queued and answered from the engine's release, without a task per request: thousands
of payments a second come this way. Queries are answered in place. It knows neither HTTP nor
WebSocket; a bug in a method is not caught, because a node with a bug stops.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
import trio

from node.answers import Answer, Done, Until
from node.rpc.bounds import ANSWER_TIMEOUT_S, OUTGOING_SIZE_BYTES_MAX
from node.rpc.envelope import (
    Request,
    RequestId,
    RequestRefused,
    decode_batch,
    decode_request,
    encode_answer,
    encode_refusal,
    is_batch,
)
from node.rpc.errors import AnswerTimedOut, AnswerTooLarge, MethodNotFound, RpcFault
from node.rpc.interface import NodeApi
from node.rpc.method import Command
from node.rpc.methods import DECODERS, METHODS
from protocols.errors import ProtocolError
from protocols.inputs import Input

Reply = Callable[[bytes], None]
"""Takes the answer to one message, once; empty if nothing is to be said."""


class Dispatcher:
    """Carries out messages on one node, for every connection."""

    def __init__(self, node: NodeApi) -> None:
        self._node = node

    async def handle(self, message: str, reply: Reply) -> None:
        """Carry out one message; `reply` is called now or when its commands are durable.

        Waits only for room in the node's queue and for long reads.
        """
        if is_batch(message):
            await self._handle_batch(message, _Gathering(reply))
            return
        try:
            request = decode_request(message)
        except RequestRefused as refused:
            reply(encode_refusal(refused.request_id, refused.fault))
            return
        await self._handle_request(request, reply)

    def prompt(self) -> None:
        """All messages of one read were handled: their commands may be carried out at once."""
        self._node.prompt()

    async def answer(self, message: str) -> bytes:
        """The whole answer; what has none after `ANSWER_TIMEOUT_S` is `AnswerTimedOut`."""
        answered = trio.Event()
        gathering = _Gathering(lambda _: answered.set())
        with trio.move_on_after(ANSWER_TIMEOUT_S):
            if is_batch(message):
                await self._handle_batch(message, gathering)
            else:
                gathering.is_batch = False
                await self._handle_items([message], gathering)
            self.prompt()
            await answered.wait()
        return gathering.encode()

    async def _handle_batch(self, message: str, gathering: _Gathering) -> None:
        try:
            items = decode_batch(message)
        except RequestRefused as refused:
            gathering.is_batch = False
            gathering.expect([None])
            gathering.take(0, encode_refusal(None, refused.fault))
            return
        await self._handle_items(items, gathering)

    async def _handle_items(self, items: list[str] | list[msgspec.Raw], gather: _Gathering) -> None:
        requests: list[Request | RequestRefused] = []
        for item in items:
            try:
                requests.append(decode_request(item))
            except RequestRefused as refused:
                requests.append(refused)
        gather.expect([_id_of(request) for request in requests])
        for index, request in enumerate(requests):
            reply = partial(gather.take, index)
            if isinstance(request, RequestRefused):
                reply(encode_refusal(request.request_id, request.fault))
            elif gather.size_bytes > OUTGOING_SIZE_BYTES_MAX:
                _refuse(request, AnswerTooLarge(OUTGOING_SIZE_BYTES_MAX), reply)
            else:
                await self._handle_request(request, reply)

    async def _handle_request(self, request: Request, reply: Reply) -> None:
        try:
            method = METHODS.get(request.method)
            if method is None:
                raise MethodNotFound(request.method)
            raw = None if request.params is msgspec.UNSET else request.params
            params = DECODERS[request.method](raw)
            if isinstance(method, Command):
                if method.complete is not None:
                    self._node.wake()
                    params = await method.complete(self._node, params)
                until: Until = getattr(params, "until", "durable")
                done = partial(_finish, request, method, reply)
                await self._queue(method.to_input(params), until, done)
                return
            self._node.wake()
            result = await method.read(self._node, params)
        except (RpcFault, ProtocolError) as error:
            _refuse(request, error, reply)
            return
        reply(b"" if request.id is msgspec.UNSET else encode_answer(request.id, result))

    async def _queue(self, command: Input, until: Until, done: Done) -> None:
        # In order: the next request of this caller is not looked at before this one is taken.
        while not self._node.command_then(command, until, done):
            await self._node.queue_room()


class _Gathering:
    """The answers to one message, in the order of its requests."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._ids: list[RequestId | msgspec.UnsetType] = []
        self._answers: list[bytes | None] = []
        self._missing_count = 0
        self.is_batch = True
        self.size_bytes = 0

    def expect(self, ids: list[RequestId | msgspec.UnsetType]) -> None:
        """Say which answers will come: UNSET for a notification, which has none."""
        self._ids = ids
        self._answers = [None] * len(ids)
        self._missing_count = len(ids)

    def take(self, index: int, answer: bytes) -> None:
        """Take one; the last one is the signal to reply."""
        self._answers[index] = answer
        self.size_bytes += len(answer)
        self._missing_count -= 1
        if self._missing_count == 0:
            self._reply(self.encode())

    def encode(self) -> bytes:
        """All answers, missing ones as `AnswerTimedOut`; empty if there is nothing to say."""
        timed_out = AnswerTimedOut(ANSWER_TIMEOUT_S)
        answers = [
            encode_refusal(request_id, timed_out) if answer is None else answer
            for request_id, answer in zip(self._ids, self._answers, strict=True)
            if request_id is not msgspec.UNSET
        ]
        if not answers or not self.is_batch:
            return b"".join(answers)
        return b"[" + b",".join(answers) + b"]"


def _id_of(request: Request | RequestRefused) -> RequestId | msgspec.UnsetType:
    return request.id if isinstance(request, Request) else request.request_id


def _refuse(request: Request, error: RpcFault | ProtocolError, reply: Reply) -> None:
    reply(b"" if request.id is msgspec.UNSET else encode_refusal(request.id, error))


def _finish(
    request: Request, method: Command, reply: Reply, answer: Answer | ProtocolError
) -> None:
    if isinstance(answer, ProtocolError):
        _refuse(request, answer, reply)
    elif request.id is msgspec.UNSET:
        reply(b"")
    else:
        reply(encode_answer(request.id, method.to_result(answer)))
