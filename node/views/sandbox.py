"""One message through a reducer: a fresh instance, its calls to the host, its writes applied.

What the reducer hands to `host.exec` is applied at once and answers how many rows it changed, so
that `host.query` sees it. The reply's writes follow. Whatever fails raises, and the caller undoes
the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import wasmtime

from node.views.calls import Instance
from node.views.database import ViewDatabase
from node.views.errors import Failure, ReducerFailed, ViewBroken
from node.views.module import HOST, IMPORTS, ReducerModule
from node.views.replies import Reply, decode_question, decode_reply, decode_write
from node.views.wasm import engine

_TYPES = {"i32": wasmtime.ValType.i32, "i64": wasmtime.ValType.i64}
_U32 = 2**32 - 1


class Sandbox:
    """A module joined to a database. For one thread, one message after the other."""

    def __init__(self, module: ReducerModule, database: ViewDatabase) -> None:
        self._budget, self._database = module.budget, database
        self._is_init = False
        self._instance: Instance | None = None
        self.fuel_used = 0
        """By the last message, whatever became of it."""
        self._linker = wasmtime.Linker(engine())
        for name, function in (("exec", self._exec), ("query", self._query)):
            parameters, results = ([_TYPES[kind]() for kind in kinds] for kinds in IMPORTS[name])
            kind = wasmtime.FuncType(parameters, results)
            self._linker.define_func(HOST, name, kind, function)
        self._linked = self._linker.instantiate_pre(module.compiled)

    def close(self) -> None:
        """Let go of the module. A second call does nothing."""
        self._linked.close()
        self._linker.close()

    def reduce(self, message: bytes) -> int:
        """Run the reducer on a message; its code: 0, or its reason to refuse.

        Raises `ReducerFailed`; then, and after a refusal, what was written must be undone.
        """
        return self._run("reduce", message, is_init=False)

    def init(self) -> int:
        """Run the module's `init`, which may make tables; as `reduce`."""
        return self._run("init", None, is_init=True)

    def _run(self, name: str, message: bytes | None, is_init: bool) -> int:
        self._is_init = is_init
        self.fuel_used = 0
        self._instance = instance = self._new_instance()
        try:
            reply = self._reply(instance, name, message)
        finally:
            self.fuel_used = instance.fuel_used
            self._instance = None
            instance.close()
        if reply.code == 0:
            for write in reply.writes:
                self._database.write(write.sql, write.rows, is_init)
        return reply.code

    def _new_instance(self) -> Instance:
        try:
            return Instance(self._linked, self._budget)
        except ReducerFailed as failed:
            # There was one when the module was loaded.
            raise ViewBroken(self._database.path, failed.detail) from None

    def _reply(self, instance: Instance, name: str, message: bytes | None) -> Reply:
        if message is None:
            answer = instance.call(name)
        else:
            pointer = instance.call("alloc", len(message))
            if pointer == 0:
                raise ReducerFailed(Failure.MEMORY_EXHAUSTED, f"no room for {len(message)} bytes")
            instance.write(pointer, message)
            answer = instance.call(name, pointer, len(message))
        pointer, size = (answer >> 32) & _U32, answer & _U32
        return decode_reply(self._handed_over(instance, pointer, size))

    def _handed_over(self, instance: Instance, pointer: int, size: int) -> bytes:
        size &= _U32
        if size > self._budget.reply_bytes:
            raise ReducerFailed(Failure.REPLY_OVERSIZED, f"{size} bytes")
        return instance.read(pointer, size)

    def _exec(self, pointer: int, size: int) -> int:
        """host.exec: apply one write now; how many rows it changed."""
        with self._called() as instance:
            write = decode_write(self._handed_over(instance, pointer, size))
            return self._database.write(write.sql, write.rows, self._is_init)

    def _query(self, pointer: int, size: int, out: int, capacity: int) -> int:
        """host.query: the size of the answer, which is at `out` if there is room for it."""
        with self._called() as instance:
            question = decode_question(self._handed_over(instance, pointer, size))
            answer = self._database.query(question.sql, question.row, self._budget.reply_bytes)
            if len(answer) <= capacity & _U32:
                instance.write(out, answer)
            return len(answer)

    @contextmanager
    def _called(self) -> Iterator[Instance]:
        """The instance that runs; what is raised inside is laid aside for who called it."""
        instance = self._instance
        assert instance is not None, "called by the instance that runs"
        try:
            yield instance
        except BaseException as error:
            instance.raised = error
            raise
