"""A true proof of a real log, and everything that forging one field of it makes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
import trio

from node.prover import prove, prove_grown
from node.rpc.proofs import consistency_view, proof_view
from node.store.record import encode_record
from protocols.log_head import sign_head
from protocols.log_proof import ConsistencyProof, LogProof
from protocols.peer_heads import owner_of
from tests.support.actors import ALICE
from tests.support.engine_rig import Rig
from tests.support.logs import payment

COUNT = 200
"""Records of the log: peaks of 128, 64 and 8."""


def long_log() -> Rig:
    """ALICE's engine with a log of so many records, the payments in it not real ones."""
    rig = Rig(ALICE)
    batch = rig.log.begin(rig.now_ms)
    batch.append_run([payment(seq) for seq in range(1, COUNT)], None, None)
    rig.log.commit(batch)
    return rig


@lru_cache
def proof_of(seq: int) -> LogProof:
    """The proof of a record of such a log."""
    return trio.run(prove, long_log().engine, seq)


def document(seq: int = 70) -> dict[str, Any]:
    """The same as the JSON that `tally prove` writes."""
    found: dict[str, Any] = msgspec.to_builtins(proof_view(proof_of(seq)))
    return found


@lru_cache
def consistency_of(old: int) -> ConsistencyProof:
    """That such a log begins with as many records; the head of then was signed for the purpose."""
    rig = long_log()

    async def made() -> ConsistencyProof:
        new = (await prove(rig.engine, COUNT - 1)).head
        owner = owner_of(rig.state.node, ALICE.address)
        head = sign_head(owner, old, rig.log.tree.root(old), ALICE.signer)
        return await prove_grown(rig.engine, head, new)

    return trio.run(made)


def consistency_document(old: int = 70) -> dict[str, Any]:
    """The same as the JSON that `tally prove --since` writes."""
    found: dict[str, Any] = msgspec.to_builtins(consistency_view(consistency_of(old)))
    return found


def consistency_forgeries() -> Iterator[tuple[str, dict[str, Any]]]:
    """Like `forgeries`, and with the heads in each other's place."""
    found = consistency_document()
    yield from _forgeries(found)
    yield "heads turned", {**found, "old": found["new"], "new": found["old"]}


def forgeries(seq: int = 70) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what was changed, document) for every field, at every depth, and every missing one."""
    yield from _forgeries(document(seq))
    # Another record under the same number, with a chain hash that is its own.
    forged = document(seq)
    record = encode_record(seq, 1, None, payment(999))
    forged["record"] = "0x" + record.hex()
    yield "another record", forged


def _forgeries(true: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for place in list(_places(true)):
        for what, value in _others(_at(true, place)):
            yield f"{'.'.join(map(str, place))} {what}", _with(true, place, value)
    for field in true:
        forged = copy.deepcopy(true)
        del forged[field]
        yield f"without {field}", forged


def _places(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _places(inner, (*at, index))
        yield at
    else:
        yield at


def _others(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, int):
        yield "higher", value + 1
        yield "lower", value - 1
        yield "text", str(value)
    elif isinstance(value, list):
        yield "shorter", value[1:]
        yield "longer", [*value, "0x" + "00" * 32]
        yield "turned", value[::-1]
    else:
        assert isinstance(value, str)
        yield "first byte", value[:2] + _turned(value[2:4]) + value[4:]
        yield "last byte", value[:-2] + _turned(value[-2:])
        yield "shorter", value[:-2]
        yield "longer", value + "00"
        yield "no hex", value[:-2] + "zz"
        yield "empty", ""


def _turned(two_digits: str) -> str:
    try:
        return f"{int(two_digits, 16) ^ 1:02x}"
    except ValueError:
        return "??"


def _at(found: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        found = found[step]
    return found


def _with(found: dict[str, Any], place: tuple[Any, ...], value: object) -> dict[str, Any]:
    found = copy.deepcopy(found)
    _at(found, place[:-1])[place[-1]] = value
    return found
