"""Whatever messages come, views that took in the same ones are the same, wherever and whenever."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.views.limits import Budget
from node.views.view import Verdict, View
from tests.support.reducers import ADD, NEW, NOTE, SPIN, message, scores

pytestmark = pytest.mark.slow

BUDGET = Budget(fuel=20_000)
"""Little, so that spinning is soon over."""

MESSAGES = st.lists(
    st.one_of(
        st.builds(
            message,
            st.integers(ADD, NEW + 1),
            st.sampled_from([b"", b"alice", b"bob", b"\xff" * 255]),
            st.one_of(st.integers(-10, 10), st.integers(-(2**63), 2**64 - 1)),
        ),
        st.binary(max_size=12),
    ),
    max_size=20,
)


def bare(verdict: Verdict) -> tuple[object, ...]:
    return (
        verdict.seq,
        verdict.code,
        verdict.failure,
        verdict.fuel,
        verdict.steps,
        verdict.change_count,
    )


def run(view: View, messages: list[bytes]) -> list[tuple[object, ...]]:
    return [bare(view.apply(seq, one)) for seq, one in enumerate(messages, view.stamp.seq + 1)]


@given(MESSAGES)
def test_two_nodes_agree_on_every_verdict_and_on_the_tables(messages: list[bytes]) -> None:
    with View(":memory:", scores(BUDGET)) as one, View(":memory:", scores(BUDGET)) as other:
        for seq, sent in enumerate(messages):
            assert bare(one.apply(seq, sent)) == bare(other.apply(seq, sent))
            assert one.digest == other.digest
        assert one.computed_digest() == one.digest
        assert list(one.messages()) == list(other.messages())


@given(MESSAGES)
def test_derived_anew_from_what_was_taken_in_a_view_is_the_same(messages: list[bytes]) -> None:
    with View(":memory:", scores(BUDGET)) as view, View(":memory:", scores(BUDGET)) as again:
        for seq, sent in enumerate(messages):
            view.apply(seq, sent)
        for record in view.messages():
            assert again.apply(record.seq, record.message).is_applied
        assert again.digest == view.digest
        assert list(again.messages()) == list(view.messages())


@settings(max_examples=25)
@given(MESSAGES, st.lists(st.integers(0, 20), max_size=3))
def test_a_node_that_was_started_again_says_what_one_says_that_was_not(
    tmp_path_factory: pytest.TempPathFactory, messages: list[bytes], stops: list[int]
) -> None:
    path = tmp_path_factory.mktemp("view") / "view.db"
    restarted = View(path, scores(BUDGET))
    with View(":memory:", scores(BUDGET)) as steady:
        for seq, sent in enumerate(messages):
            if seq in stops:
                restarted.close()
                restarted = View(path, scores(BUDGET))
            assert bare(restarted.apply(seq, sent)) == bare(steady.apply(seq, sent))
        assert restarted.digest == steady.digest
    restarted.close()


@given(MESSAGES)
def test_the_row_changes_alone_give_the_same_tables(messages: list[bytes]) -> None:
    """What a copy in another database would rest on."""
    with View(":memory:", scores(BUDGET)) as view:
        for seq, sent in enumerate(messages):
            view.apply(seq, sent)
        rows: dict[str, list[tuple[object, ...]]] = {name: [] for name in view.tables}
        for record in view.messages():
            for table, before, after in record.changes:
                if before is not None:
                    rows[table].remove(before)
                if after is not None:
                    rows[table].append(after)
        for name, left in rows.items():
            assert sorted(left, key=repr) == sorted(view.rows(name), key=repr)


def history() -> list[bytes]:
    """Some of everything."""
    return [
        message(kind, bytes([number % 5]) * (number % 7), (number * 37) % 101 - 20)
        for number in range(300)
        for kind in ((number * 7) % (NEW + 2), ADD, NOTE)
        if kind != SPIN or number % 3 == 0
    ]


def digest_of_history() -> str:
    with View(":memory:", scores(BUDGET)) as view:
        verdicts = run(view, history())
        return f"{view.digest.hex()} {hash(tuple(map(str, verdicts)))}"


def test_processes_agree(tmp_path: Path) -> None:
    code = (
        "from tests.node.views.test_view_properties import digest_of_history\n"
        "print(digest_of_history())"
    )
    found = set()
    for seed in ("0", "0"):
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        # Nothing is said at the interpreter's end either.
        assert (done.returncode, done.stderr) == (0, "")
        found.add(done.stdout)
    assert len(found) == 1
    assert found.pop().split()[0] == digest_of_history().split()[0]
