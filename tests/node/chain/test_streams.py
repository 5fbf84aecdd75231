"""Reaching an endpoint at all, and what its URL may look like."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from node.chain import streams
from node.chain.errors import EndpointDown
from tests.support.simulated_chain import tcp_endpoint


@pytest.mark.parametrize(
    "url", ["ws://h:1", "wss://h", "http://127.0.0.1:8545/path?x=1", "https://u:p@h/"]
)
def test_urls_of_the_four_schemes_are_accepted(url: str) -> None:
    streams.require_url(url)


@pytest.mark.parametrize(
    "url", ["", "h:8545", "ftp://h", "ws://", "http:///path", "ws://h:99999", "ws://h:0"]
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="endpoint|[Pp]ort"):
        streams.require_url(url)


def test_a_label_tells_the_host_and_no_secret() -> None:
    url = "wss://name:password@host.example:443/v3/secret?key=secret"
    assert streams.endpoint_label(url) == "wss://host.example:443"
    assert streams.endpoint_label("http://[::1]:8545/secret") == "http://[::1]:8545"
    assert streams.target_of(url) == "/v3/secret?key=secret"
    assert streams.target_of("ws://h:1") == "/"


async def test_a_port_nobody_listens_on_is_an_endpoint_that_is_down() -> None:
    async with tcp_endpoint(_say_nothing) as url:
        pass
    with pytest.raises(EndpointDown, match="no connection"):
        await streams.open_stream(url)


async def test_an_unknown_name_is_an_endpoint_that_is_down() -> None:
    with pytest.raises(EndpointDown, match="no connection"):
        await streams.open_stream("ws://no-such-host.invalid:1")


async def test_a_server_without_tls_behind_a_tls_url_is_an_endpoint_that_is_down() -> None:
    async with tcp_endpoint(_talk_plainly, "https") as url:
        with pytest.raises(EndpointDown, match="no connection"):
            await streams.open_stream(url)


async def test_a_server_that_never_answers_tls_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "CONNECT_TIMEOUT_S", 0.2)
    async with tcp_endpoint(_say_nothing, "wss") as url:
        with pytest.raises(EndpointDown, match=r"within 0\.2 s"):
            await streams.open_stream(url)


async def _say_nothing(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def _talk_plainly(stream: trio.SocketStream) -> None:
    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await stream.aclose()


async def test_tls_is_checked_and_then_carries_bytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = certificate_of("localhost", tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def echo(stream: trio.SocketStream) -> None:
        secure = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        await secure.send_all(await secure.receive_some(100))

    async with tcp_endpoint(echo, "https") as url:
        local = url.replace("127.0.0.1", "localhost")
        with pytest.raises(EndpointDown, match="CERTIFICATE_VERIFY_FAILED"):
            await streams.open_stream(local)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        stream = await streams.open_stream(local)
        await stream.send_all(b"hello")
        assert await stream.receive_some(100) == b"hello"
        await trio.aclose_forcefully(stream)


def certificate_of(name: str, directory: Path) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(pem))
    return path
