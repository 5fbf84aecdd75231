"""Who may call: a loopback host name, no foreign web page, and the owner's token. Judges headers
only.

A web page in the owner's browser can reach loopback ports. Rebinding its own name to us shows in
Host, a direct call in Origin; neither page has the token, but a refusal must not depend on one
secret alone.
"""

from __future__ import annotations

from collections.abc import Iterable

from node.rpc.errors import HostRefused, HttpRefused, OriginRefused, Unauthorized
from node.rpc.token import is_authorized

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""Names of this machine that nobody else can own."""

Headers = Iterable[tuple[bytes, bytes]]
"""Lower-case names and values, as h11 gives them."""


class Gate:
    """Decides about every request of one node, by its headers."""

    def __init__(self, token: str, listen_host: str, origins: Iterable[str] = ()) -> None:
        literal = f"[{listen_host}]" if ":" in listen_host else listen_host
        self._hosts = LOOPBACK_HOSTS | {literal.lower()}
        self._origins = frozenset(origins)
        self._token = token

    def require_allowed(self, headers: Headers) -> None:
        """Raise `HostRefused`, `OriginRefused` or `Unauthorized` unless the caller may go on."""
        host = _only(headers, b"host") or ""
        if _host_name(host) not in self._hosts:
            raise HostRefused(host)
        origin = _only(headers, b"origin")
        if origin is not None and origin not in self._origins:
            raise OriginRefused(origin)
        credentials = _only(headers, b"authorization")
        if credentials is None:
            raise Unauthorized("no bearer token")
        if not is_authorized(credentials.encode("latin-1"), self._token):
            raise Unauthorized("the bearer token is not this node's")


def _only(headers: Headers, name: bytes) -> str | None:
    """The header's value, None if there is none; `HttpRefused` if it is there twice."""
    found = [value for key, value in headers if key == name]
    if len(found) > 1:
        raise HttpRefused(f"more than one {name.decode()} header")
    return found[0].decode("latin-1") if found else None


def _host_name(host: str) -> str:
    """The name without the port. Any port: a tunnel may have another one at its end."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isascii() and port.isdigit() else host).lower()
