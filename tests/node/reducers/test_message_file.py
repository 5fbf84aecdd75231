"""Files of messages say what they mean, or which line does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.reducers import message_file
from node.reducers.errors import MessageFileInvalid
from node.reducers.limits import APP_BEGIN_MS, APP_MESSAGE_INTERVAL_MS
from node.reducers.message_file import (
    CHANNEL_ID,
    DigestExpectation,
    MessageFile,
    TableExpectation,
    read_message_file,
)
from node.views.encoding import decode, uint256

NAMES = [
    *("message", "refused", "failed", "table", "rows", "digest", "app", "deposits", "from"),
    *("payload", "after_ms", "payouts", "channel_id", "begin_ms", "hex", "amount", "join"),
    *("keccak256", "pack"),
]


def read(folder: Path, *lines: str) -> MessageFile:
    path = folder / "messages.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return read_message_file(path)


def test_each_line_is_a_message_or_an_expectation(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "# a comment, and an empty line",
        "",
        '["add", 5]',
        '{"hex": "00ff"}',
        '{"message": 7, "refused": 3}',
        '{"message": 8, "failed": "out-of-fuel"}',
        '{"table": "sums", "rows": [["a", {"amount": "5"}]]}',
        '{"digest": "' + "0f" * 32 + '"}',
    )
    messages = [(step.line, decode(step.data), step.code, step.failure) for step in found.messages]
    assert messages == [
        (3, ["add", 5], 0, None),
        (4, b"\0\xff", 0, None),
        (5, 7, 3, None),
        (6, 8, 0, "out-of-fuel"),
    ]
    assert found.steps[4:] == (
        TableExpectation(7, "sums", (("a", uint256(5)),)),
        DigestExpectation(8, b"\x0f" * 32),
    )
    assert found.deposits is None


def test_messages_of_an_application_have_a_sender_and_a_time(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"app": {"deposits": ["60", 40]}}',
        '{"from": 0, "payload": [1]}',
        '{"from": 1, "payload": "x", "refused": 2}',
        '{"from": 1, "payload": "x", "after_ms": 60000}',
        '{"payouts": ["100", "0"]}',
    )
    later = APP_BEGIN_MS + APP_MESSAGE_INTERVAL_MS
    assert [decode(step.data) for step in found.messages] == [
        [CHANNEL_ID, None, 0, [uint256(60), uint256(40)]],
        [CHANNEL_ID, 0, APP_BEGIN_MS, [1]],
        [CHANNEL_ID, 1, later, "x"],
        [CHANNEL_ID, 1, later + 60_000, "x"],
    ]
    assert found.messages[2].code == 2
    assert found.deposits == (60, 40)
    payouts = ((0, uint256(100)), (1, uint256(0)))
    assert found.steps[-1] == TableExpectation(5, "payouts", payouts)


def test_an_application_says_which_channel_and_when(tmp_path: Path) -> None:
    app = '{"app": {"deposits": [1, 2], "channel_id": "' + "ab" * 32 + '", "begin_ms": 5000000000}}'
    found = read(tmp_path, app, '{"from": 0, "payload": 1, "after_ms": 5}')
    assert decode(found.messages[1].data) == [b"\xab" * 32, 0, 5_000_000_005, 1]


def test_an_application_may_have_to_refuse_the_deposits(tmp_path: Path) -> None:
    found = read(tmp_path, '{"app": {"deposits": [1, 2]}, "refused": 4}')
    assert [step.code for step in found.messages] == [4]


APP = '{"app": {"deposits": ["1", "2"]}}'


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1", "not JSON: .* at column"),
        ("NaN", "no number"),
        ("1.5", "fraction"),
        ('{"message": 1, "message": 2}', "stands twice"),
        ('{"message": 1, "refuse": 2}', "'refuse' is none of message, refused, failed"),
        ('{"message": 1, "refused": 0}', "code from 1"),
        ('{"message": 1, "refused": true}', "code from 1"),
        ('{"message": 1, "refused": 2147483648}', "code from 1"),
        ('{"message": 1, "failed": "hunger"}', "'hunger' is no failure"),
        ('{"message": 1, "failed": "out-of-fuel", "refused": 1}', "not both"),
        ('{"table": 7, "rows": []}', "a name and a list"),
        ('{"table": "t"}', "a name and a list"),
        ('{"table": "t", "rows": [1]}', "a list of values"),
        ('{"digest": "00"}', "32 bytes"),
        ('{"from": 0, "payload": 1}', "the application first"),
        ('{"payouts": [1, 2]}', "the application first"),
        ('{"app": 7}', "is an object"),
        ('{"app": {}}', "two amounts"),
        ('{"app": {"deposits": [1]}}', "two amounts"),
        ('{"app": {"deposits": [1, 2], "id": 3}}', "'id' is none of"),
        ('{"app": {"deposits": [1, 2], "channel_id": "00"}}', "32 bytes"),
        ('{"app": {"deposits": [1, 2], "begin_ms": -1}}', "begin_ms is a whole number"),
        ('{"app": {"deposits": [1, 2], "begin_ms": 1}}', "no message is of 1:"),
        ("[" * 100_000, "too deep"),
    ],
)
def test_a_line_that_cannot_be_meant_is_named(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(MessageFileInvalid, match=reason) as caught:
        read(tmp_path, "# first", line)
    assert caught.value.values["line"] == 2


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"payload": 1}', "from 0 or from 1"),
        ('{"from": 2, "payload": 1}', "from 0 or from 1"),
        ('{"from": true, "payload": 1}', "from 0 or from 1"),
        ('{"from": 0, "payload": 1, "after_ms": 1.5}', "after_ms is a whole number"),
        ('{"from": 0, "payload": 1, "after_ms": 9223372036854775807}', "no message is of"),
        ('{"payouts": ["1"]}', "two amounts"),
        (APP, "comes first, and once"),
    ],
)
def test_a_line_of_an_application_that_cannot_be_meant_is_named(
    tmp_path: Path, line: str, reason: str
) -> None:
    with pytest.raises(MessageFileInvalid, match=reason):
        read(tmp_path, APP, line)


def test_what_is_no_text_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages.jsonl"
    path.write_bytes(b"1\n\xff\n")
    with pytest.raises(MessageFileInvalid, match="line 2: it is not UTF-8"):
        read_message_file(path)
    monkeypatch.setattr(message_file, "MESSAGE_FILE_SIZE_BYTES_MAX", 3)
    with pytest.raises(MessageFileInvalid, match="more than 3 bytes"):
        read_message_file(path)
    with pytest.raises(FileNotFoundError):
        read_message_file(tmp_path / "none")


LINE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(["a", "00", 0, 1, 2**64, "out-of-fuel"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(values=st.lists(LINE, max_size=4))
def test_whatever_json_is_in_a_file_it_is_read_or_its_line_is_named(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text("\n".join(map(json.dumps, values)), errors="surrogatepass")
    assert_read_or_named(path)


@given(data=st.binary(max_size=60))
def test_whatever_bytes_are_in_a_file_it_is_read_or_its_line_is_named(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(data)
    assert_read_or_named(path)


def assert_read_or_named(path: Path) -> None:
    line = None
    try:
        for message in read_message_file(path).messages:
            decode(message.data)
    except MessageFileInvalid as error:
        line = error.values["line"]
    assert line is None or line >= 1
