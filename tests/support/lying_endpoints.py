"""An endpoint of a chain that serves it as it is told to: truly, with lies, or not at all."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from protocols.crypto import keccak256
from protocols.types import to_hex

STALL_S_MAX = 60.0
"""Far longer than any story needs."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A node that goes away in the middle of an answer is no error here."""


class Endpoint:
    """One endpoint, over HTTP."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream.replace("ws://", "http://")
        self.hides_logs = False
        """A lie: the chain has no logs at all."""
        self.swallows = False
        """It keeps transactions for itself, and says that it sent them."""
        self.invents_receipts = False
        """It tells that whatever it swallowed is mined, in the newest block there is."""
        self.swallowed: list[str] = []
        self.works = threading.Event()
        """Unset: whoever asks waits."""
        self.works.set()
        self.hidden_count = 0
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                answer = endpoint.answer(self.rfile.read(length))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments: Any) -> None:
                """Nothing is told."""

        self.server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, body: bytes) -> bytes:
        """What it says to one request."""
        self.works.wait(STALL_S_MAX)
        asked = json.loads(body)
        if self.swallows and asked["method"] == "eth_sendRawTransaction":
            self.swallowed.append(to_hex(keccak256(bytes.fromhex(asked["params"][0][2:]))))
            return json.dumps({**asked, "result": self.swallowed[-1]}).encode()
        found = self._true_answer(body)
        if asked["method"] == "eth_getLogs" and self.hides_logs:
            told = json.loads(found)
            self.hidden_count += len(told["result"])
            return json.dumps({**told, "result": []}).encode()
        is_receipt = asked["method"] == "eth_getTransactionReceipt"
        if is_receipt and self.invents_receipts and asked["params"][0] in self.swallowed:
            return json.dumps({**asked, "result": self._invented(asked["params"][0])}).encode()
        return found

    def _invented(self, name: str) -> dict[str, Any]:
        call = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber"}
        asked = json.dumps({**call, "params": ["latest", False]}).encode()
        block = json.loads(self._true_answer(asked))["result"]
        return {
            "transactionHash": name,
            "blockNumber": block["number"],
            "blockHash": block["hash"],
            "gasUsed": "0xb3b0",
            "effectiveGasPrice": "0x77359400",
            "status": "0x1",
        }

    def _true_answer(self, body: bytes) -> bytes:
        order = urllib.request.Request(self.upstream, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(order, timeout=STALL_S_MAX) as answered:
            found: bytes = answered.read()
        return found


@contextmanager
def endpoints(upstream: str, count: int) -> Iterator[list[Endpoint]]:
    """So many endpoints of one chain, until the end of the block."""
    made = [Endpoint(upstream) for _ in range(count)]
    threads = [threading.Thread(target=one.server.serve_forever, daemon=True) for one in made]
    try:
        for thread in threads:
            thread.start()
        yield made
    finally:
        for one, thread in zip(made, threads, strict=True):
            one.works.set()
            one.server.shutdown()
            one.server.server_close()
            thread.join()
