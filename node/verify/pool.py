"""Claims checked by worker processes, answered in the order in which they were handed in.

The verdict does not depend on how many workers there are, nor on which of them is quick. A worker
that dies or falls silent costs time only: what it had is checked here.
"""

from __future__ import annotations

import os
import selectors
import socket
import subprocess
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from node.processes import end_with_parent, our_environment, our_python
from node.verify.claims import Claim, SignatureBook
from node.verify.limits import BATCHES_PER_WORKER, REPLY_TIMEOUT_S, WORKER_COUNT_MAX
from node.verify.worker import SIZE_BYTES, decode_places, frame

_READ_SIZE_BYTES = 65_536


def core_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(eq=False)
class Batch:
    """Claims on their way, and what was found."""

    claims: Sequence[Claim]
    failed: list[int] | None = None
    """Places of the claims that do not hold; None until that is known."""


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    link: socket.socket
    batches: deque[Batch] = field(default_factory=deque)
    """Handed over and not answered, oldest first."""
    outgoing: bytearray = field(default_factory=bytearray)
    incoming: bytearray = field(default_factory=bytearray)


class VerifierPool:
    """So many workers; use it in a `with`, which ends them."""

    def __init__(self, worker_count: int) -> None:
        self._book = SignatureBook()
        self._selector = selectors.DefaultSelector()
        self._workers: list[_Worker] = []
        try:
            for _ in range(min(worker_count, WORKER_COUNT_MAX)):
                self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> VerifierPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_ids(self) -> list[int]:
        """Of the workers that live."""
        return [worker.process.pid for worker in self._workers]

    def hand_in(self, claims: Sequence[Claim]) -> Batch:
        """Have the claims checked; waits while every worker has all it may hold."""
        batch = Batch(claims)
        self.move()
        while self._workers:
            worker = min(self._workers, key=lambda one: len(one.batches))
            if len(worker.batches) < BATCHES_PER_WORKER:
                worker.batches.append(batch)
                worker.outgoing += frame(list(claims))
                self._watch(worker)
                self.move()
                return batch
            self.move(REPLY_TIMEOUT_S)
        self._check_here(batch)
        return batch

    def result(self, batch: Batch) -> list[int]:
        """Places of the claims in the batch that do not hold; waits until they are known."""
        while batch.failed is None:
            self.move(REPLY_TIMEOUT_S)
        return batch.failed

    def move(self, timeout_s: float = 0.0) -> None:
        """Write and read what can be; waits so long for something to do."""
        ready = self._selector.select(timeout_s)
        for key, mask in ready:
            worker: _Worker = key.data
            try:
                if mask & selectors.EVENT_WRITE:
                    del worker.outgoing[: worker.link.send(worker.outgoing)]
                    self._watch(worker)
                if mask & selectors.EVENT_READ:
                    self._read(worker)
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                self._give_up(worker)
        if timeout_s and not ready:
            for worker in [one for one in self._workers if one.batches]:
                self._give_up(worker)

    def close(self) -> None:
        """End the workers and wait until they are gone. A second call does nothing."""
        for worker in self._workers:
            worker.link.close()
            # It holds nothing and writes nothing: there is nothing to finish.
            worker.process.kill()
        for worker in self._workers:
            worker.process.wait()
        self._workers.clear()
        self._selector.close()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                our_python("node.verify.worker"),
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                env=our_environment(),
                # Ctrl-C at the terminal is the parent's to answer.
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        ours.setblocking(False)
        worker = _Worker(process, ours)
        self._workers.append(worker)
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _watch(self, worker: _Worker) -> None:
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.outgoing else 0)
        self._selector.modify(worker.link, wanted, worker)

    def _read(self, worker: _Worker) -> None:
        data = worker.link.recv(_READ_SIZE_BYTES)
        if not data:
            raise OSError("the worker is gone")
        buffer = worker.incoming
        buffer += data
        while len(buffer) >= SIZE_BYTES:
            end = SIZE_BYTES + int.from_bytes(buffer[:SIZE_BYTES], "big")
            if len(buffer) < end:
                return
            worker.batches.popleft().failed = decode_places(bytes(buffer[SIZE_BYTES:end]))
            del buffer[:end]

    def _give_up(self, worker: _Worker) -> None:
        if worker not in self._workers:
            return
        self._workers.remove(worker)
        self._selector.unregister(worker.link)
        worker.link.close()
        worker.process.kill()
        worker.process.wait()
        for batch in worker.batches:
            self._check_here(batch)

    def _check_here(self, batch: Batch) -> None:
        batch.failed = self._book.failed(batch.claims)
