"""Every kind of value: what is taken, and what is refused with which reason."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import config_values as values
from node.sinks.errors import SinkError
from node.sinks.layout import check_namespace
from protocols.types import checksum_address

ADDRESS = bytes(range(1, 21))
CHECKSUM = checksum_address(ADDRESS)


@given(st.integers(min_value=0, max_value=2**64 - 1))
def test_a_whole_number_is_read_alike_from_toml_and_from_text(number: int) -> None:
    parse = values.integer(0)
    assert parse(number, False) == number
    assert parse(str(number), True) == number


@pytest.mark.parametrize("raw", [-1, 11, True, 1.0, "5", None, [5]])
def test_what_is_no_number_in_range_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"whole number|from 0 to 10"):
        values.integer(0, 10)(raw, False)


@pytest.mark.parametrize("raw", ["", "-1", "+1", "1_0", " 1", "0x1", "1.0", "\u0661"])
def test_text_that_python_would_take_for_a_number_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        values.integer(0, 10)(raw, True)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:7401", ("::1", 7401)),
        ("hub.example:65535", ("hub.example", 65535)),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(raw: str, expected: tuple[str, int]) -> None:
    assert values.endpoint(raw, False) == expected
    assert values.printable(expected) == raw


@pytest.mark.parametrize(
    "raw",
    ["", "localhost", ":80", "a:65536", "a:-1", "a:b", "::1:80", "a b:1", "u@a:1", "[]:1", 80],
)
def test_a_broken_endpoint_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.endpoint(raw, False)


@pytest.mark.parametrize("raw", ["127.0.0.1:0", "127.8.9.1:7402", "[::1]:7402", "localhost:1"])
def test_an_endpoint_of_this_machine_alone_is_taken(raw: str) -> None:
    assert values.loopback_endpoint(raw, False) == values.endpoint(raw, False)


@pytest.mark.parametrize(
    "raw", ["0.0.0.0:7402", "[::]:7402", "192.168.1.2:0", "node.example:1", "localhost.example:1"]
)
def test_an_endpoint_that_others_reach_is_refused_with_the_way_to_do_it(raw: str) -> None:
    assert values.endpoint(raw, False)
    with pytest.raises(ValueError, match="of this machine alone.*SSH tunnel"):
        values.loopback_endpoint(raw, False)


def test_urls_come_as_a_list_or_as_text_with_commas() -> None:
    both = ("ws://127.0.0.1:8545", "https://node.example/path")
    assert values.urls(list(both), False) == both
    assert values.urls(", ".join(both), True) == both


@pytest.mark.parametrize(
    "raw",
    [
        [],
        "ws://a:1",
        ["ftp://a"],
        ["ws://"],
        ["a:1"],
        ["ws://a:99999"],
        ["ws://[a"],
        [1],
        ["ws://a:1", "ws://a:1"],
    ],
)
def test_urls_that_nobody_could_call_are_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.urls(raw, False)


def test_an_address_needs_the_right_width_case_and_value() -> None:
    assert values.address(CHECKSUM, False) == ADDRESS
    assert values.address(CHECKSUM.lower(), True) == ADDRESS
    swapped = "0x" + "".join(c.swapcase() for c in CHECKSUM[2:])
    for wrong in ["0x00", "0x" + "00" * 20, CHECKSUM[2:], swapped, 7]:
        with pytest.raises(ValueError, match=r"."):
            values.address(wrong, False)


def test_peers_come_as_a_table_or_as_text() -> None:
    expected = {ADDRESS: ("10.0.0.1", 7401)}
    assert values.peers({CHECKSUM: "10.0.0.1:7401"}, False) == expected
    assert values.peers(f" {CHECKSUM}=10.0.0.1:7401 ,", True) == expected
    assert values.peers("", True) == {}
    assert values.printable(values.peers({CHECKSUM: "a:1"}, False)) == {CHECKSUM: "a:1"}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({CHECKSUM: "a:0"}, "port 0"),
        ({CHECKSUM: "a:1", CHECKSUM.lower(): "a:2"}, "twice"),
        ({CHECKSUM: 5}, "string"),
        (["a:1"], "table"),
    ],
)
def test_a_broken_address_book_is_refused(raw: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        values.peers(raw, False)


def test_a_peer_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="0xADDRESS=host:port"):
        values.peers(CHECKSUM, True)


def test_truth_is_strict_in_toml_and_friendly_in_text() -> None:
    assert values.boolean(True, False) is True
    assert values.boolean("No", True) is False
    for raw, text in [("true", False), (1, False), ("perhaps", True)]:
        with pytest.raises(ValueError, match="true or false"):
            values.boolean(raw, text)


@pytest.mark.parametrize("raw", ["-a", "a b", "a" * 65, "", "a/b", "\u00e9", 3])
def test_a_name_that_does_not_fit_a_log_line_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="must"):
        values.name(raw, False)


def test_a_choice_names_what_it_allows() -> None:
    assert values.choice("ask", "deny")("deny", False) == "deny"
    with pytest.raises(ValueError, match="one of ask, deny"):
        values.choice("ask", "deny")("maybe", False)


def test_paths_expand_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert values.path("~/data", False) == Path("/home/somebody/data")
    assert values.printable(Path("/x")) == "/x"
    assert values.name("alice-1", False) == "alice-1"


def test_addresses_are_a_list_or_a_line_of_text_and_printed_as_a_list() -> None:
    one, two = CHECKSUM, "0x" + "11" * 20
    expected = (bytes.fromhex(one[2:]), b"\x11" * 20)
    assert values.addresses([one, two], False) == expected
    assert values.addresses(f"{one}, {two},", True) == expected
    assert values.addresses("", True) == values.addresses([], False) == ()
    assert values.printable(expected) == [one, two]


@pytest.mark.parametrize("raw", ["0x" + "11" * 20, ["0x11"], [5], ["0x" + "11" * 20] * 2])
def test_a_broken_list_of_addresses_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        values.addresses(raw, False)


@pytest.mark.parametrize(
    "raw",
    ["host=/run/postgresql dbname=x", "service=views passfile=/me/pgpass", "postgresql://u@h/d"],
)
def test_a_database_is_taken_as_it_is_written(raw: str) -> None:
    assert values.conninfo(raw, False) == raw
    assert values.conninfo(raw, True) == raw


def test_no_database_is_none() -> None:
    assert values.conninfo("none", True) == ""


@pytest.mark.parametrize(
    "raw",
    ["host=h password=s3cret", "postgresql://u:s3cret@h/d", "postgres://h/d?PASSWORD=s3cret"],
)
def test_a_database_with_a_password_is_refused_and_not_repeated(raw: str) -> None:
    with pytest.raises(ValueError, match="PGPASSFILE") as caught:
        values.conninfo(raw, False)
    assert "s3cret" not in str(caught.value)


@given(st.text("abpg_1Z$", max_size=50))
def test_a_schemas_name_is_what_a_sink_takes(raw: str) -> None:
    def is_taken(parse: Callable[[str], object]) -> bool:
        try:
            parse(raw)
        except (ValueError, SinkError):
            return False
        return True

    assert is_taken(lambda text: values.schema_name(text, False)) == is_taken(check_namespace)
