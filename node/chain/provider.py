"""web3's door to our own JSON-RPC client, so that AsyncWeb3 runs on trio.

web3 awaits nothing of asyncio for calls, estimates, contracts and events as long as its provider
does not; what does sleep through asyncio (`wait_for_transaction_receipt`) is not used. Imported
when the room runs: it brings web3 along.
"""

from __future__ import annotations

import re
from typing import Any, Protocol, cast

from web3 import AsyncWeb3
from web3.providers.async_base import AsyncBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from node.chain.errors import RpcError

REVERT_CODE = 3
"""geth's error code of a call that reverted."""
REVERT_DATA = re.compile(r"(?:Reverted )?0x(?:[0-9a-fA-F]{2}){4,}")
"""What a revert leaves: at least the four bytes of its error's selector. Some clients put a word
before it."""


class Caller(Protocol):
    """What this module needs of a link or a client."""

    async def call(self, method: str, params: list[Any]) -> Any:
        """The result, as JSON values. Raises `RpcError` and `EndpointDown`."""


class TrioProvider(AsyncBaseProvider):
    """Passes requests on. An endpoint's error becomes web3's exception; `EndpointDown` stays."""

    global_ccip_read_enabled = False
    """A revert may ask a client to fetch a URL (EIP-3668): this one never does."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self._caller = caller

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One call, its answer in the envelope web3 expects."""
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": 0}
        try:
            answer["result"] = await self._caller.call(method, list(params))
        except RpcError as error:
            answer["error"] = _for_web3(error)
        return cast(RPCResponse, answer)

    async def is_connected(self, show_traceback: bool = False) -> bool:
        """True: the caller waits until it is."""
        return True


def _for_web3(error: RpcError) -> dict[str, Any]:
    """The error object, with `data` only where it holds revert bytes, and then as a revert.

    web3 takes any other data, even null, as proof that a contract reverted: an endpoint's "too many
    requests" would end an intent for good. And it overlooks a reason that does not come with geth's
    error code.
    """
    if isinstance(error.data, str) and REVERT_DATA.fullmatch(error.data):
        data = "0x" + error.data.rpartition("0x")[2]
        return {"code": REVERT_CODE, "message": error.message, "data": data}
    return {"code": error.code, "message": error.message}


def web3_over(caller: Caller) -> AsyncWeb3[Any]:
    """An AsyncWeb3 whose every request goes through `caller`, and nothing else does.

    Without web3's middleware: it asks for the chain's id before every call, which this room did
    when it connected, and looks up names, which addresses here are not.
    """
    return AsyncWeb3(TrioProvider(caller), middleware=[])
