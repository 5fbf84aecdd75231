"""The shipped reducer: as it was compiled, and its fold is the node's."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

import pytest

from node.log_views import shipped
from node.log_views.keeper import NodeView
from node.reducer_compiler import SHIPPED
from protocols import event_codec
from tests.support import audit_cases, audit_exits, audit_webs
from tests.support.audit_cases import History
from tests.support.builders import CHANNEL
from tests.support.view_folds import dated, follow

HISTORIES = (
    audit_cases.alice,
    audit_cases.bob,
    audit_cases.alice_with_a_token,
    audit_webs.leader,
    audit_webs.closing_leader,
    audit_webs.closing_follower,
    audit_webs.payer,
    audit_webs.hub,
    audit_webs.payee,
    audit_webs.open_hub,
    audit_webs.unwound_payer,
    audit_webs.unwound_hub,
    audit_webs.denied_hub,
    audit_exits.resumed_leader,
    audit_exits.resumed_follower,
    audit_exits.leaving_payer,
    audit_exits.leaving_payee,
    audit_exits.leaving_follower,
    audit_exits.exporting_hub,
)


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.__name__)
def test_after_every_record_the_views_say_what_the_state_says(
    history: Callable[[], History],
) -> None:
    follow(dated(history()), 1)


@pytest.mark.parametrize("seed", range(4))
def test_where_messages_end_changes_no_byte(seed: int) -> None:
    history = dated(audit_exits.leaving_follower())
    assert follow(history, 0.2, seed) == follow(history, 1, is_compared=False)


def test_the_files_are_those_that_the_manifest_names() -> None:
    files = json.loads((SHIPPED / "manifest.json").read_text())["files"]
    there = {path.name for path in SHIPPED.iterdir() if path.suffix in (".c", ".h", ".wasm")}
    assert there == set(files)
    for name, digest in files.items():
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == digest, name


def test_every_event_that_it_names_is_one() -> None:
    source = (SHIPPED / "node.c").read_text()
    named = set(re.findall(r'OF_(?:CHANNEL|NODE)\("([a-z-]+)"', source))
    assert len(named) >= 35
    assert named <= set(event_codec.EVENTS)


def test_every_amount_that_readers_are_shown_is_a_column() -> None:
    with NodeView(":memory:") as kept:
        columns = {
            (name, column) for name, table in kept.view.tables.items() for column in table.columns
        }
        assert set(shipped.TABLES) < set(kept.view.tables)
    amounts = {pair for pair in columns if shipped.is_amount(*pair)}
    assert ("payments", "amount") in amounts
    assert ("balances", "channels") in amounts
    assert ("channels", "channel_id") not in amounts
    assert len(amounts) == 13


def test_a_record_of_a_version_to_come_is_refused() -> None:
    from node.log_views.batches import message_of
    from node.views.encoding import encode

    with NodeView(":memory:") as kept:
        later = encode([2, 0, 0, None, "voucher-issued", [CHANNEL]])
        assert kept.view.apply(0, message_of([later])).code == 1
        unknown = encode([9, 0, 0, None, "some-day-invented", [[], 1, "x", b"y", None, True]])
        assert kept.view.apply(0, message_of([unknown])).is_applied
