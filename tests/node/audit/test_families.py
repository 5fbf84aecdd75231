"""What stands beside the records says what they say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node.audit import audit
from node.audit.messagepack import pack
from node.store.batch import block_key
from node.store.kv import ENTITY, META, OUTBOX, SIGNED_TURNS
from node.store.record import seq_key
from node.store.rocks import RocksKeyValue
from protocols import commands, events, inputs, ledger_events
from protocols.effects import ReadHoldings, message_key, reading_key, transaction_key
from tests.support.actors import BOB
from tests.support.audit_cases import nth
from tests.support.audit_webs import hub, write
from tests.support.logs import flip
from tests.support.recorded_nodes import World

Edit = Callable[[dict[bytes, bytes]], dict[bytes, bytes | None]]


def test_a_question_about_a_channel_is_in_the_outbox_until_it_is_answered(tmp_path: Path) -> None:
    world = World(tmp_path)
    cut = events.LogTailCut(world.bob.log.next_seq, 10, "000001.log")
    world.bob.record(cut)
    channel_id = world.open_channel()
    assert [e for _, e in world.bob.log.outbox() if isinstance(e, ReadHoldings)] == []
    assert world.bob.state.channels[channel_id].supported_turn == 1
    world.stop()
    assert audit(tmp_path / "bob").findings == []
    question = reading_key(channel_id)
    edit(tmp_path / "bob", OUTBOX, lambda _: {question: pack(["reading", channel_id, bytes(20)])})
    (message,) = findings(tmp_path / "bob")
    assert message == f"the outbox still holds 0x{question.hex()}, which was settled"


@pytest.fixture
def busy(tmp_path: Path) -> Path:
    """Alice's log with a payment under way: two messages and a deposit done, one message open."""
    world = World(tmp_path)
    channel_id = world.open_channel()
    world.pay(channel_id, 5, 1)
    world.alice.take(commands.SendPayment(channel_id, 7, b"\x02" * 32, "", "buy-milk"))
    world.stop()
    assert audit(tmp_path / "alice").findings == []
    return tmp_path / "alice"


def edit(path: Path, family: str, change: Edit) -> None:
    store = RocksKeyValue(path)
    batch = store.new_batch()
    for key, value in change(dict(store.iterate(family))).items():
        if value is None:
            batch.delete(key, store.handle(family))
        else:
            batch.put(key, value, store.handle(family))
    store.write(batch)
    store.close()


def findings(path: Path) -> list[str]:
    report = audit(path)
    assert {finding.check for finding in report.findings} <= {"families"}
    return [finding.message for finding in report.findings]


@pytest.mark.parametrize("family", [ENTITY, SIGNED_TURNS])
def test_a_missing_entry_is_named(family: str, busy: Path) -> None:
    edit(busy, family, lambda found: {min(found): None})
    (message,) = findings(busy)
    assert message.startswith(f"family {family} misses 1 entries, the first 0x")


@pytest.mark.parametrize("family", [ENTITY, SIGNED_TURNS])
def test_an_entry_too_many_is_named(family: str, busy: Path) -> None:
    edit(busy, family, lambda found: {b"\x01" * 40: b"", b"\x02" * 40: b""})
    (message,) = findings(busy)
    assert message == f"family {family} has 2 entries, the first 0x{'01' * 40}"


def test_the_record_of_each_processed_block_is_found_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.alice.take(inputs.ChainHead(100, b"\x01" * 32))
    world.alice.take(inputs.ChainHead(105, b"\x02" * 32))
    world.stop()
    path = tmp_path / "alice"
    assert audit(path).findings == []
    key = block_key(105)
    edit(path, META, lambda found: {key: seq_key(int.from_bytes(found[key], "big") - 1)})
    assert findings(path) == [f"family {META} differs at 1 entries, the first 0x{key.hex()}"]
    edit(path, META, lambda found: {key: None})
    assert findings(path) == [f"family {META} misses 1 entries, the first 0x{key.hex()}"]


def test_a_signed_turn_with_another_hash_is_named(busy: Path) -> None:
    edit(busy, SIGNED_TURNS, lambda found: {min(found): b"\x01" * 32})
    (message,) = findings(busy)
    assert message.startswith(f"family {SIGNED_TURNS} differs at 1 entries")


@pytest.mark.parametrize(
    "kind", [ledger_events.LedgerUpdateProposed, ledger_events.LedgerUpdateSigned]
)
def test_the_turns_of_a_ledger_are_signed_turns(kind: type[events.Event], tmp_path: Path) -> None:
    write(hub(), tmp_path)
    event: Any = nth(hub(), kind)[1]
    key = event.channel_id + event.turn_num.to_bytes(8, "big")
    edit(tmp_path, SIGNED_TURNS, lambda found: {key: None})
    assert findings(tmp_path) == [
        f"family {SIGNED_TURNS} misses 1 entries, the first 0x{key.hex()}"
    ]


def test_the_index_holds_request_ids(busy: Path) -> None:
    store = RocksKeyValue.open_beside(busy)
    keys = {key for key, _ in store.iterate(ENTITY)}
    store.close()
    assert len(keys) > 10
    edit(busy, ENTITY, lambda found: dict.fromkeys(found, None))
    found = [finding for finding in audit(busy).findings if finding.check == "families"]
    (message,) = [finding.message for finding in found]
    assert message.startswith(f"family {ENTITY} misses {len(keys)} entries")


def test_one_entry_of_the_index_may_stand_for_records_that_follow_each_other(busy: Path) -> None:
    store = RocksKeyValue.open_beside(busy)
    keys = {key for key, _ in store.iterate(ENTITY)}
    store.close()
    pairs = [(key, key[:32] + seq_key(int.from_bytes(key[32:], "big") + 1)) for key in keys]
    first, second = min(pair for pair in pairs if pair[1] in keys)
    edit(busy, ENTITY, lambda found: {first: b"\x01\x00\x02", second: None})
    assert findings(busy) == []
    edit(busy, ENTITY, lambda found: {first: b"\x01\x00\x03"})
    (message,) = findings(busy)
    assert message.startswith(f"family {ENTITY} has 1 entries")


def test_an_entry_of_the_index_that_says_nothing_is_named(busy: Path) -> None:
    edit(busy, ENTITY, lambda found: {min(found): b"\x09"})
    (message,) = findings(busy)
    assert message.startswith(f"family {ENTITY} differs at 1 entries")


def test_an_effect_that_was_lost_is_named(busy: Path) -> None:
    edit(busy, OUTBOX, lambda found: dict.fromkeys(found, None))
    (message,) = findings(busy)
    assert message.startswith("the outbox misses 0x" + message_key(BOB.address, 1).hex()[:42])


def test_an_effect_that_was_settled_is_named(busy: Path) -> None:
    intent = transaction_key(b"\x01" * 32)
    edit(busy, OUTBOX, lambda found: {intent: pack(["broadcast", b"\x01" * 32, bytes(32), b""])})
    (message,) = findings(busy)
    assert message == f"the outbox still holds 0x{intent.hex()}, which was settled"


@pytest.mark.parametrize(
    "effect",
    [
        pack(["message", BOB.address, 1, b""]),
        pack(["message", BOB.address, -1, b""]),
        pack(["transaction", bytes(32), b"deposit"]),
        pack(["other"]),
        pack({}),
        b"\xc1",
    ],
)
def test_an_effect_under_another_key_is_named(effect: bytes, busy: Path) -> None:
    edit(busy, OUTBOX, lambda found: {min(found): effect})
    (message,) = findings(busy)
    assert message.startswith("the outbox holds another effect under 0x")


def test_a_pending_transaction_is_in_the_outbox(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.alice.take(
        commands.OpenChannel(BOB.address, bytes(20), 100, 0, 86_400, b"\x01\x02\x03\x04", "")
    )
    world._carry_out(world.alice, world.alice.wanted.popleft())
    world._carry_out(world.bob, world.bob.wanted.popleft())
    world.stop()
    path = tmp_path / "alice"
    assert findings(path) == []
    edit(path, OUTBOX, lambda found: {key: None for key in found if key.startswith(b"t")})
    (message,) = findings(path)
    assert message.startswith("the outbox misses 0x74")


@pytest.mark.parametrize("family", [ENTITY, OUTBOX, SIGNED_TURNS, META])
def test_a_family_that_cannot_be_read_names_its_file(family: str, busy: Path) -> None:
    from node.store.table import family_of

    tables = [file for file in busy.glob("*.sst") if family_of(file) == family]
    assert tables, "each family has a table of its own"
    for table in tables:
        flip(table, 5)
    found = [finding for finding in audit(busy).findings if finding.check == "families"]
    (finding,) = found
    assert finding.file in {table.name for table in tables}
    assert f"family {family} cannot be read (it holds no records)" in finding.message
