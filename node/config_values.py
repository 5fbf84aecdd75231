"""What the settings may hold: one parser per kind of value.

A parser takes what TOML gave (`text=False`) or what a flag or an environment variable said
(`text=True`, always a string) and returns the typed value, or raises ValueError with the reason.
Knows no setting by name and reads nothing from the disk.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from protocols.errors import ProtocolError
from protocols.types import UINT64_MAX, ZERO_ADDRESS, Address, checksum_address, parse_address

PORT_MAX = 65_535
"""The largest TCP port."""
EXACT_NUMBER_MAX = 2**53
"""Many readers of JSON round above it: larger numbers are shown as text."""
NONE = "none"
"""What says that there is none."""
NAME_LENGTH_MAX = 64
"""Characters of a node's name: it is printed in every log line."""

Endpoint = tuple[str, int]
"""Host and port. Port 0 picks a free one."""
Parser = Callable[[object, bool], object]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_CONNINFO_SECRET = re.compile(r"password\s*=|secret\s*=|://[^/?@]*:[^/?@]*@", re.IGNORECASE)
_SCHEMA_NAME = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,47}", re.ASCII)
_DIGITS = re.compile(r"[0-9]+", re.ASCII)
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_URL_SCHEMES = ("ws", "wss", "http", "https")


def _string(raw: object) -> str:
    if not isinstance(raw, str):
        raise ValueError(f"must be a string, not {_kind(raw)}")
    if not raw:
        raise ValueError("must not be empty")
    return raw


def _kind(raw: object) -> str:
    names = {bool: "a boolean", int: "a number", float: "a fraction", list: "a list"}
    return names.get(type(raw), "a table" if isinstance(raw, Mapping) else type(raw).__name__)


def name(raw: object, text: bool) -> str:
    """A short printable name of letters, digits, dots, dashes and underscores."""
    value = _string(raw)
    if _NAME.fullmatch(value) is None or len(value) > NAME_LENGTH_MAX:
        raise ValueError(
            f"must be 1 to {NAME_LENGTH_MAX} letters, digits, dots, dashes or underscores"
        )
    return value


def conninfo(raw: object, text: bool) -> str:
    """A database as libpq takes it, or "none": then it is empty. Never with a password.

    Whether libpq understands it shows when a sink starts, which alone needs PostgreSQL's driver.
    """
    value = _string(raw)
    if _CONNINFO_SECRET.search(value):
        raise ValueError(
            "must not hold a password: PGPASSWORD or PGPASSFILE has it, or passfile= names a file"
        )
    return "" if value == NONE else value


def schema_name(raw: object, text: bool) -> str:
    """The name of one of PostgreSQL's schemas."""
    value = _string(raw)
    if _SCHEMA_NAME.fullmatch(value) is None:
        raise ValueError(
            "must be 1 to 48 small letters, digits and underscores, and not begin with pg_"
        )
    return value


def path(raw: object, text: bool) -> Path:
    """A file or directory; a relative one is taken from the configuration's directory."""
    return Path(_string(raw)).expanduser()


def integer(minimum: int, maximum: int = UINT64_MAX) -> Parser:
    """A parser for whole numbers from `minimum` to `maximum`."""

    def parse(raw: object, text: bool) -> int:
        if text and isinstance(raw, str) and _DIGITS.fullmatch(raw):
            raw = int(raw)
        if type(raw) is not int:
            raise ValueError("must be a whole number")
        if not minimum <= raw <= maximum:
            raise ValueError(f"must be from {minimum} to {maximum}")
        return raw

    return parse


def choice(*allowed: str) -> Parser:
    """A parser for one of a few words."""

    def parse(raw: object, text: bool) -> str:
        if raw not in allowed:
            raise ValueError("must be one of " + ", ".join(allowed))
        return str(raw)

    return parse


def boolean(raw: object, text: bool) -> bool:
    """True or false; as text also 1, 0, yes and no."""
    if text and isinstance(raw, str) and raw.lower() in _TRUTH:
        return _TRUTH[raw.lower()]
    if type(raw) is not bool:
        raise ValueError("must be true or false")
    return raw


def address(raw: object, text: bool) -> Address:
    """An Ethereum address, not zero, in one case or with a correct EIP-55 checksum."""
    try:
        value = parse_address(_string(raw))
    except ProtocolError as error:
        raise ValueError(str(error)) from error
    if value == ZERO_ADDRESS:
        raise ValueError("must not be the zero address")
    return value


def maybe_address(raw: object, text: bool) -> Address | None:
    """An address as above, or "none"."""
    return None if raw == NONE else address(raw, text)


def addresses(raw: object, text: bool) -> tuple[Address, ...]:
    """Addresses, each once. As text: comma separated."""
    items = [item.strip() for item in str(raw).split(",") if item.strip()] if text else raw
    if not isinstance(items, list):
        raise ValueError("must be a list of addresses")
    found = tuple(address(item, text) for item in items)
    if len(set(found)) != len(found):
        raise ValueError("names an address twice")
    return found


def endpoint(raw: object, text: bool) -> Endpoint:
    """`host:port`, an IPv6 host in brackets. Port 0 is allowed."""
    host, colon, port = _string(raw).rpartition(":")
    if not colon or not host or _DIGITS.fullmatch(port) is None or int(port) > PORT_MAX:
        raise ValueError(f"must be host:port with a port from 0 to {PORT_MAX}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 host goes in brackets: [::1]:7401")
    if not host or any(character.isspace() or character in "/@" for character in host):
        raise ValueError("has no valid host before the port")
    return host, int(port)


def loopback_endpoint(raw: object, text: bool) -> Endpoint:
    """An endpoint that nobody but this machine reaches: 127.0.0.0/8, [::1] or localhost."""
    host, port = endpoint(raw, text)
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host.lower() == "localhost"
    if not is_loopback:
        raise ValueError(
            "must be an address of this machine alone, such as 127.0.0.1, for whoever gets in may "
            "spend; from another machine use an SSH tunnel: ssh -L 7402:127.0.0.1:7402 HOST"
        )
    return host, port


def url(raw: object) -> str:
    """One chain endpoint: ws, wss, http or https with a host."""
    value = _string(raw)
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"{value} is not a URL: {error}") from error
    if parts.scheme not in _URL_SCHEMES or not parts.hostname or not port_is_valid:
        raise ValueError(f"{value} is not a URL of the form ws://host:port or https://host/path")
    return value


def urls(raw: object, text: bool) -> tuple[str, ...]:
    """At least one endpoint, each once; the first is preferred."""
    items = _string(raw).split(",") if text else raw
    if not isinstance(items, list) or not items:
        raise ValueError("must be a list with at least one URL")
    found = tuple(url(item.strip() if isinstance(item, str) else item) for item in items)
    if len(set(found)) != len(found):
        raise ValueError("names an endpoint twice")
    return found


def peers(raw: object, text: bool) -> Mapping[Address, Endpoint]:
    """Where each peer listens, by its address. As text: `0xADDRESS=host:port`, comma separated."""
    if text:
        pairs: list[tuple[str, object]] = []
        for item in [item.strip() for item in str(raw).split(",") if item.strip()]:
            name_text, equals, where_text = item.partition("=")
            if not equals:
                raise ValueError(f"{item} is not of the form 0xADDRESS=host:port")
            pairs.append((name_text, where_text))
    elif isinstance(raw, Mapping):
        pairs = list(raw.items())
    else:
        raise ValueError('must be a table of "0xADDRESS" = "host:port"')
    book: dict[Address, Endpoint] = {}
    for who, where in pairs:
        peer = address(who, text)
        if peer in book:
            raise ValueError(f"names the peer {checksum_address(peer)} twice")
        book[peer] = endpoint(where, text)
        if book[peer][1] == 0:
            raise ValueError(f"the peer {checksum_address(peer)} has port 0, which nobody can dial")
    return MappingProxyType(book)


def printable(value: object) -> object:
    """The value as JSON and people read it: addresses EIP-55, endpoints host:port."""
    if isinstance(value, bytes):
        return checksum_address(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {checksum_address(who): printable(where) for who, where in value.items()}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], int):
        host, port = value
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    if isinstance(value, tuple):
        return [printable(item) for item in value]
    if is_dataclass(value):
        given = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: printable(part) for name, part in given.items() if part is not None}
    if type(value) is int and value > EXACT_NUMBER_MAX:
        return str(value)
    return value
