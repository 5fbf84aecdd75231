"""The byte stream under an endpoint's protocol: TCP, with TLS where the URL says so."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import trio

from node.chain.errors import EndpointDown

CONNECT_TIMEOUT_S = 10.0
"""Seconds for the name, TCP and TLS together."""
SCHEMES = ("ws", "wss", "http", "https")
"""What an endpoint's URL may begin with."""

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


def require_url(url: str) -> None:
    """Raise `ValueError` for a URL that no client here can use."""
    parts = urlsplit(url)
    # `port` raises ValueError by itself when it is none.
    if parts.scheme not in SCHEMES or not parts.hostname or parts.port == 0:
        raise ValueError(f"a chain endpoint is ws://HOST:PORT or http://HOST:PORT, not {url!r}")


def endpoint_label(url: str) -> str:
    """Scheme, host and port. Paths and user names of endpoints are often secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{host_of(url)}"


def host_of(url: str) -> str:
    """Host and port as the Host header spells them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def target_of(url: str) -> str:
    """Path and query as the request line spells them."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


async def open_stream(url: str) -> Stream:
    """Connect to where `url` points; `EndpointDown` when that does not work in time."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme in ("wss", "https")
    port = parts.port or (443 if secure else 80)
    try:
        with trio.fail_after(CONNECT_TIMEOUT_S):
            if not secure:
                return await trio.open_tcp_stream(host, port)
            stream = await trio.open_ssl_over_tcp_stream(host, port, https_compatible=True)
            try:
                await stream.do_handshake()
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise
            return stream
    except trio.TooSlowError:
        reason = f"no connection within {CONNECT_TIMEOUT_S:g} s"
        raise EndpointDown(endpoint_label(url), reason) from None
    except (OSError, ssl.CertificateError, trio.BrokenResourceError) as error:
        reason = f"no connection: {first_words(error)}"
        raise EndpointDown(endpoint_label(url), reason) from error


def first_words(error: BaseException) -> str:
    """An exception's text, short enough for a log line."""
    # trio wraps what broke a stream, a refused certificate for one, in an error without words.
    said = str(error) or str(error.__cause__ or "")
    return (said or type(error).__name__)[:200]
