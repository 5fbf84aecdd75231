"""The port: accepts connections, serves HTTP and WebSocket on it, and outlives every caller.

It knows the order of things (gate, HTTP, WebSocket, dispatch) and none of their insides.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog
import trio

from node.rpc.bounds import CONNECTION_COUNT_MAX
from node.rpc.dispatch import Dispatcher
from node.rpc.errors import HttpRefused, TooManyConnections
from node.rpc.gate import Gate
from node.rpc.http import HttpConnection, Upgrade
from node.rpc.interface import NodeApi
from node.rpc.websocket import WebSocketSession, accept_upgrade

log = structlog.get_logger()


class RpcServer:
    """Serves one node to its owner."""

    def __init__(
        self, node: NodeApi, token: str, listen: tuple[str, int], origins: Iterable[str] = ()
    ) -> None:
        """`listen` is host and port, 0 for a free one; `origins` are web pages that may call."""
        self._listen = listen
        self._gate = Gate(token, listen[0], origins)
        self._dispatcher = Dispatcher(node)
        self._connection_count = 0

    async def run(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; started with the port. `OSError` if it is taken."""
        host, port = self._listen
        listeners = await trio.open_tcp_listeners(port, host=host)
        task_status.started(listeners[0].socket.getsockname()[1])
        async with trio.open_nursery() as connections:
            await trio.serve_listeners(self._serve, listeners, handler_nursery=connections)

    async def _serve(self, stream: trio.SocketStream) -> None:
        self._connection_count += 1
        try:
            async with stream:
                await self._serve_http(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError) as error:
            log.debug("rpc caller gone", reason=type(error).__name__)
        finally:
            self._connection_count -= 1

    async def _serve_http(self, stream: trio.SocketStream) -> None:
        http = HttpConnection(stream, self._gate, self._dispatcher.answer)
        if self._connection_count > CONNECTION_COUNT_MAX:
            await http.refuse(TooManyConnections(CONNECTION_COUNT_MAX))
            return
        try:
            await http.serve()
        except Upgrade as upgrade:
            try:
                socket, greeting = accept_upgrade(upgrade.request)
            except HttpRefused as fault:
                await http.refuse(fault)
                return
            dispatcher = self._dispatcher
            session = WebSocketSession(stream, socket, dispatcher.handle, dispatcher.prompt)
            await session.serve(greeting, upgrade.trailing)
