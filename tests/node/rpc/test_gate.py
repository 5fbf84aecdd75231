"""The gate: host, origin and token, each refused by its own name."""

import pytest

from node.rpc.errors import HostRefused, HttpRefused, OriginRefused, RpcFault, Unauthorized
from node.rpc.gate import Gate

TOKEN = "T" * 43
PAGE = "https://wallet.example"
GATE = Gate(TOKEN, "127.0.0.1", [PAGE])
AUTHORIZATION = (b"authorization", b"Bearer " + TOKEN.encode())


def headers(
    host: bytes | None = b"127.0.0.1:8545", *more: tuple[bytes, bytes]
) -> list[tuple[bytes, bytes]]:
    return [*([] if host is None else [(b"host", host)]), AUTHORIZATION, *more]


@pytest.mark.parametrize(
    "host", [b"127.0.0.1:8545", b"127.0.0.1", b"localhost:1", b"LOCALHOST", b"[::1]:9", b"[::1]"]
)
def test_a_loopback_host_passes_whatever_the_port(host: bytes) -> None:
    GATE.require_allowed(headers(host))


@pytest.mark.parametrize(
    "host",
    [
        None,
        b"",
        b"attacker.example",
        b"127.0.0.1.attacker.example:80",
        b"localhost.attacker.example",
        b"attacker.example:127.0.0.1",
        b"127.0.0.1:port",
        b"0.0.0.0",
        b"10.0.0.7:8545",
    ],
)
def test_any_other_host_is_refused(host: bytes | None) -> None:
    with pytest.raises(HostRefused):
        GATE.require_allowed(headers(host))


def test_the_address_the_node_listens_on_is_a_name_of_it() -> None:
    Gate(TOKEN, "10.0.0.7").require_allowed(headers(b"10.0.0.7:8545"))
    Gate(TOKEN, "fd00::7").require_allowed(headers(b"[FD00::7]:8545"))


def test_an_allowed_origin_passes_and_any_other_is_refused() -> None:
    GATE.require_allowed(headers(b"localhost", (b"origin", PAGE.encode())))
    for origin in (b"https://attacker.example", b"null", b"", PAGE.encode() + b".example"):
        with pytest.raises(OriginRefused):
            GATE.require_allowed(headers(b"localhost", (b"origin", origin)))


def test_without_the_token_nobody_passes() -> None:
    with pytest.raises(Unauthorized, match="no bearer token"):
        GATE.require_allowed([(b"host", b"localhost")])
    with pytest.raises(Unauthorized, match="not this node's"):
        GATE.require_allowed([(b"host", b"localhost"), (b"authorization", b"Bearer wrong")])


@pytest.mark.parametrize(
    "repeated", [AUTHORIZATION, (b"host", b"localhost"), (b"origin", PAGE.encode())]
)
def test_a_repeated_header_is_refused(repeated: tuple[bytes, bytes]) -> None:
    doubled = [*headers(b"localhost"), (b"origin", PAGE.encode()), repeated]
    with pytest.raises(HttpRefused, match="more than one"):
        GATE.require_allowed(doubled)


def test_the_host_is_judged_before_the_token() -> None:
    """A rebinding page learns nothing about tokens."""
    with pytest.raises(RpcFault) as refusal:
        GATE.require_allowed([(b"host", b"attacker.example")])
    assert refusal.value.name() == "HOST_REFUSED"
