"""Proofs of an engine's records: by the newest head, or by one that is signed for the purpose."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from node.prover import prove, prove_grown
from node.store.errors import LogDamaged
from node.store.kv import LOG
from node.store.record import decode_record, seq_key
from protocols.errors import InvalidEncoding
from protocols.events import StateDigestRecorded
from protocols.head_events import LogHeadSigned
from protocols.log_proof import require_grown, require_true
from tests.support.actors import ALICE
from tests.support.engine_rig import Rig, opened, pay
from tests.support.proofs import COUNT, long_log


async def test_every_record_is_proved_by_one_head() -> None:
    rig = long_log()
    for seq in range(COUNT):
        proof = await prove(rig.engine, seq)
        require_true(proof)
        assert decode_record(proof.record).seq == seq
        assert proof.chain_hash == rig.log.chain_at(seq)
        assert (proof.owner.node, proof.head.length) == (ALICE.address, COUNT)
    assert len(rig.events_of(LogHeadSigned)) == 1


async def test_a_newer_record_gets_a_newer_head_that_is_on_disk_first() -> None:
    rig = await opened()
    first = await prove(rig.engine, 0)
    await rig.answer(pay(1, 1))
    newest = rig.log.next_seq - 1
    proof = await prove(rig.engine, newest)
    assert proof.head.length == newest + 1 > first.head.length
    assert rig.restarted().state.node.head == proof.head


async def test_an_old_record_is_proved_after_a_restart_that_forgot_the_tree() -> None:
    rig = Rig(ALICE)
    batch = rig.log.begin(rig.now_ms)
    batch.append_run([StateDigestRecorded(bytes(32), 0, False, 0)] * (COUNT - 1), None, None)
    rig.log.commit(batch)
    await prove(rig.engine, 0)
    again = rig.restarted()
    assert again.log.tree.lag_count > 0
    require_true(await prove(again.engine, COUNT - 1))
    assert len(again.events_of(LogHeadSigned)) == 1


async def test_a_damaged_record_is_not_proved() -> None:
    rig = long_log()
    await prove(rig.engine, 0)
    batch = rig.kv.new_batch()
    value = rig.kv.get(LOG, seq_key(7))
    assert value is not None
    batch.put(seq_key(7), value[:-1] + bytes([value[-1] ^ 1]), LOG)
    rig.kv.write(batch)
    with pytest.raises(LogDamaged):
        await prove(rig.engine, 7)


async def test_each_head_is_proved_to_begin_every_later_one() -> None:
    rig = await opened()
    heads = []
    for number in range(5):
        await rig.answer(pay(1, number))
        heads.append((await prove(rig.engine, rig.log.next_seq - 1)).head)
    for place, old in enumerate(heads):
        for new in heads[place:]:
            require_grown(await prove_grown(rig.engine, old, new))
    again = rig.restarted()
    require_grown(await prove_grown(again.engine, heads[0], heads[-1]))


async def test_a_head_that_is_not_of_this_log_is_not_proved() -> None:
    rig = await opened()
    old = (await prove(rig.engine, 0)).head
    await rig.answer(pay(1, 1))
    new = (await prove(rig.engine, rig.log.next_seq - 1)).head
    with pytest.raises(InvalidEncoding):
        await prove_grown(rig.engine, replace(old, root=bytes(32)), new)
