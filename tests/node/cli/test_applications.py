"""`tally app`: installing, opening, saying, asking and closing, as people type it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import wasmtime

from node.apps.installed import Installed
from node.cli import applications
from node.cli.local_node import LocalNode
from node.reducers.folders import APPLICATIONS
from tests.support.app_daemons import TILL
from tests.support.tills import EQUAL_STAKES

pytestmark = pytest.mark.e2e

REDUCER = "0x" + hashlib.sha256(TILL.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def channel(tally_json, path: list[LocalNode]) -> str:
    """Alice's with bob, 1,000,000 wei of each, in which both may talk. No test may close it."""
    alice, _, bob = path
    for node in (alice, bob):
        assert tally_json("app", "install", str(TILL), "-c", node.directory) == {"reducer": REDUCER}
    return open_another(tally_json, path)


def open_another(tally_json, path: list[LocalNode]) -> str:
    """A channel like that, once both have the reducer."""
    alice, _, bob = path
    opened = tally_json(
        *("app", "open", bob.address, REDUCER[:12], "1000000", "--theirs", "1000000"),
        *("--turns", "leader", "-c", alice.directory),
    )
    assert opened["opened"] is True
    return str(opened["channel_id"])


def test_what_is_installed_is_listed(tally, path: list[LocalNode], channel: str) -> None:
    alice, hub, _ = path
    assert REDUCER in tally("app", "reducers", "-c", alice.directory).stdout
    assert "No reducers" in tally("app", "reducers", "-c", hub.directory).stdout


def test_what_is_said_is_decided_shown_and_asked(
    tally, tally_json, path: list[LocalNode], channel: str
) -> None:
    alice, _, bob = path
    said = tally("app", "send", channel, "[7]", "-c", alice.directory)
    assert "Both ends took it in: message 1." in said.stdout
    sent = tally_json("app", "send", channel, "[2]", "--no-wait", "-c", bob.directory)
    assert sent["count"] in (None, 2)
    third = tally_json("app", "send", channel, "[1]", "-c", bob.directory)
    assert third["count"] == 3
    shown = tally_json("app", "messages", channel, "--after", "1", "-c", alice.directory)
    assert [message["count"] for message in shown["messages"]] == [2, 3]
    none = tally("app", "messages", channel, "--after", "99", "-c", alice.directory).stdout
    assert none == "Nothing was said after message 99.\n"
    table = tally("app", "messages", channel, "-c", alice.directory).stdout
    said_last = table.splitlines()[-1].split()
    assert (said_last[0], said_last[-1]) == ("3", "[1]")
    asked = tally_json(
        "app", "query", channel, "SELECT sender, amount FROM said ORDER BY id", "-c", bob.directory
    )
    assert asked["rows"] == [[0, 7], [1, 2], [1, 1]]
    assert (
        "amount" in tally("app", "query", channel, "SELECT * FROM said", "-c", bob.directory).stdout
    )


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (("send", "[0]"), "trap-unreachable"),
        (("send", "[9000000]"), "was refused: code 1\n"),
        (("query", "DROP TABLE said"), "QUERY_REFUSED"),
    ],
)
def test_what_is_refused_says_why(
    tally, path: list[LocalNode], channel: str, order: tuple[str, str], words: str
) -> None:
    verb, text = order
    done = tally("app", verb, channel, text, "-c", path[0].directory)
    assert done.exit_code == 1
    assert words in done.stderr


def test_a_move_that_a_contract_judges_is_shown_without_a_time(
    tally, path: list[LocalNode], channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = {"count": 1, "sender": path[0].address, "timestamp_ms": 0, "message": "0xc402ab00"}
    answer = {"messages": [move], "waiting": [], "halted": ""}
    monkeypatch.setattr(applications, "ask", lambda *_, **__: answer)
    told = tally("app", "messages", channel, "-c", path[0].directory).stdout
    assert told.splitlines()[-1].split(maxsplit=3)[2:] == ["none", '{"hex": "ab00"}']


@pytest.fixture
def bob_is_away(path: list[LocalNode]) -> Iterator[LocalNode]:
    bob = path[-1]
    bob.stop()
    yield bob
    if bob.child.exit_code is not None:
        bob.start()


def test_a_message_to_a_peer_who_is_away_is_recorded_and_never_in_doubt(
    tally, tally_json, path: list[LocalNode], channel: str, bob_is_away: LocalNode
) -> None:
    alice = path[0]
    before = tally_json("app", "messages", channel, "-c", alice.directory)
    assert before["waiting"] == []
    order = ("app", "send", channel, "[3]", "--timeout-s", "0.3", "-c", alice.directory)
    told = tally_json(*order, exit_code=1)
    assert told["count"] is None
    assert (told["error"]["name"], told["error"]["retry_safe"]) == ("NOT_DECIDED_YET", False)
    # Asked again under its name it is the same message.
    name = ("--request-id", told["request_id"])
    again = tally_json(*order, *name, exit_code=1)
    assert again["message_id"] == told["message_id"]
    result = tally(*order, *name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is recorded, and not decided yet: the peer did not answer for 0.3 s" in result.stderr
    assert "Do not repeat it without the same --request-id tally-" in result.stderr
    queued = tally_json("app", "send", channel, "[4]", "--no-wait", "-c", alice.directory)
    shown = tally_json("app", "messages", channel, "-c", alice.directory)
    assert shown["waiting"] == [
        {"message_id": told["message_id"], "payload": "0x9103", "offered": True},
        {"message_id": queued["message_id"], "payload": "0x9104", "offered": False},
    ]
    table = tally("app", "messages", channel, "-c", alice.directory).stdout.splitlines()
    assert [line.split() for line in table[-2:]] == [
        ["waits", "for", "the", "peer", "us", "none", "[3]"],
        ["waits", "us", "none", "[4]"],
    ]
    bob_is_away.start()
    decided = tally_json("app", "send", channel, "[3]", *name, "-c", alice.directory)
    assert decided["count"] == before["count"] + 1


@pytest.mark.parametrize("text", ["{'a': 1}", "1.5", "NaN", '{"hex": "0"}', "[" * 90_000])
def test_what_is_no_message_is_bad_usage(
    tally, path: list[LocalNode], channel: str, text: str
) -> None:
    done = tally("app", "send", channel, text, "-c", path[0].directory)
    assert done.exit_code == 2
    assert "is no message" in done.stderr


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (("app", "send", "{channel}", '["' + "a" * 4_094 + '"]'), "4,098 bytes"),
        (("app", "messages", "{channel}", "--after", "-1"), "--after"),
        (("app", "query", "{channel}", "SELECT 1", "--timeout-s", "nan"), "--timeout-s"),
        (("app", "query", "{channel}", "SELECT 1", "--timeout-s", "-3"), "--timeout-s"),
        (("app", "open", "{bob}", REDUCER, "1", "--turns", "maybe"), "alternate, leader"),
        (("app", "open", "{bob}", "", "1"), "the hash of its code"),
    ],
)
def test_bad_usage_is_said_before_anything_is_asked(
    tally, path: list[LocalNode], channel: str, order: tuple[str, ...], words: str
) -> None:
    typed = [word.format(channel=channel, bob=path[2].address) for word in order]
    done = tally(*typed, "-c", path[0].directory)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.split())


def test_a_payment_in_an_application_and_its_next_step_are_told_rightly(
    tally, tally_json, path: list[LocalNode], channel: str
) -> None:
    alice = path[0]
    done = tally("pay", channel, "1", "-c", alice.directory)
    assert done.exit_code == 1
    assert "is no payment channel" in done.stderr
    steps = tally_json("explain", channel, "-c", alice.directory)["standing"]["next_steps"]
    assert [step.split()[:3] for step in steps] == [
        ["tally", "app", "send"],
        ["tally", "close", steps[-1].split()[-1]],
    ]


def test_a_reducer_that_is_not_there_is_named(
    tally, path: list[LocalNode], channel: str, tmp_path: Path
) -> None:
    alice, _, bob = path
    order = ("app", "open", bob.address, "ff" * 32, "5", "-c", alice.directory)
    assert "no reducer installed" in tally(*order).stderr
    junk = tmp_path / "junk.wasm"
    junk.write_bytes(b"\x00asm")
    done = tally("app", "install", str(junk), "-c", alice.directory)
    assert done.exit_code == 1
    assert "module-malformed" in done.stderr
    assert len(Installed(alice.directory / "data").hashes()) == 1


def test_nothing_is_installed_where_no_node_is(tally, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for order in (("install", str(TILL)), ("reducers",), ("open", "0x" + "11" * 20, "ff", "5")):
        done = tally("app", *order, "-c", wrong)
        assert done.exit_code == 1
        assert "there is no configuration" in done.stderr
    assert list(tmp_path.iterdir()) == [wrong]


def test_an_application_that_ships_is_installed_by_its_name(
    tally_json, path: list[LocalNode], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    alice, code = path[0], APPLICATIONS / "board" / "reducer.wasm"
    installed = tally_json("app", "install", "board", "-c", alice.directory)["reducer"]
    assert installed == "0x" + hashlib.sha256(code.read_bytes()).hexdigest()
    # Other tests name the one that they installed by the beginning of its hash.
    (file,) = Path(alice.directory).glob(f"data-apps/reducers/{installed[2:]}*")
    file.unlink()


def test_no_other_channel_is_closed_as_an_applications(
    tally, tally_json, path: list[LocalNode]
) -> None:
    alice, _, bob = path
    paid_in = tally_json("open", bob.address, "5", "-c", alice.directory)["channel_id"]
    done = tally("app", "close", paid_in, "-c", alice.directory)
    assert done.exit_code == 1
    assert "is no application's" in done.stderr
    assert alice.call("channel_get", channel_id=paid_in)["status"] == "open"


def test_it_is_closed_by_what_both_signed(
    tally, tally_json, path: list[LocalNode], channel: str
) -> None:
    alice, _, _ = path
    another = open_another(tally_json, path)
    done = tally("app", "close", another, "-c", alice.directory)
    assert "is closed and paid out" in done.stdout
    assert alice.call("channel_get", channel_id=another)["status"] == "closed"


def test_an_application_is_opened_over_a_hub_and_over_a_ledger(
    tally, tally_json, path: list[LocalNode], channel: str
) -> None:
    alice, hub, bob = path
    for left, right in ((alice, hub), (hub, bob), (alice, bob)):
        amounts = ("100000", "--theirs", "50000")
        tally_json("ledger", "open", right.address, *amounts, "-c", left.directory)
    begin = ("app", "open", bob.address, REDUCER[:12], "5000", "--turns", "leader")
    over_hub = ("--via", hub.address, "--fee-max", "7", "-c", alice.directory)
    for way in (over_hub, ("--over-ledger", "-c", alice.directory)):
        opened = tally_json(*begin, *way)
        assert opened["opened"] is True
        said = tally_json("app", "send", opened["channel_id"], "[7]", "-c", alice.directory)
        assert said["count"] == 1
        closed = tally("app", "close", opened["channel_id"], "-c", alice.directory)
        assert closed.exit_code == 0
    both = ("--theirs", "4000")
    asked = ("quote", bob.address, "5000", "--reducer", REDUCER, *both, *over_hub[:2])
    quoted = tally_json(*asked, "-c", alice.directory)
    assert (quoted["ok"], quoted["fees"]) == (True, ["7"])
    other = tally_json(*asked, "--contract", hub.address, "-c", alice.directory)
    assert other["hops"][0]["error_code"] == "APP_NOT_SUPPORTED"
    opened = tally_json(*begin, *both, *over_hub)
    assert opened["opened"] is True
    view = bob.call("channel_get", channel_id=opened["channel_id"])
    assert (view["deposit"], view["our_deposit"]) == ("9000", "4000")
    closed = tally("app", "close", opened["channel_id"], "-c", alice.directory)
    assert closed.exit_code == 0


def test_what_the_reducer_does_not_begin_with_is_refused_before_anything_is_signed(
    tally_json, path: list[LocalNode], channel: str, tmp_path: Path
) -> None:
    alice, _, bob = path
    module = tmp_path / "equal.wasm"
    module.write_bytes(wasmtime.wat2wasm(EQUAL_STAKES))
    for node in (alice, bob):
        installed = tally_json("app", "install", str(module), "-c", node.directory)
    begin = ("app", "open", bob.address, installed["reducer"], "500", "-c", alice.directory)
    count = len(alice.call("channel_list")["channels"])
    refused = tally_json(*begin, "--theirs", "499", exit_code=1)
    assert refused["error"]["name"] == "APP_OPENING_REFUSED"
    assert refused["error"]["values"]["reason"] == "code 4"
    assert len(alice.call("channel_list")["channels"]) == count
    assert tally_json(*begin, "--theirs", "500")["opened"] is True


def test_who_proposes_hears_that_the_other_end_has_no_reducer(
    tally_json, path: list[LocalNode], channel: str, tmp_path: Path
) -> None:
    alice, _, bob = path
    module = tmp_path / "alone.wasm"
    module.write_bytes(wasmtime.wat2wasm(EQUAL_STAKES.replace("\\04", "\\05")))
    installed = tally_json("app", "install", str(module), "-c", alice.directory)
    begin = ("app", "open", bob.address, installed["reducer"], "500", "-c", alice.directory)
    refused = tally_json(*begin, "--theirs", "500", exit_code=1)
    assert refused["error"]["name"] == "OBJECTIVE_FAILED"
    assert installed["reducer"] in refused["error"]["message"]
    objective_id = refused["error"]["values"]["objective_id"]
    told = alice.call("log_read", objective_id=objective_id)["records"]
    (rejected,) = (one for one in told if one["name"] == "objective-rejected")
    assert rejected["payload"]["error_code"] == "REDUCER_NOT_INSTALLED"
