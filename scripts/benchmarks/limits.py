"""What this machine allows: the parts no node can do without, and the limits they add up to.

The parts are measured bare: libsecp256k1 through cffi with held buffers, keccak, msgspec, RocksDB,
a disk flush, a TCP round trip; nothing of this node is in them. The formulas:

    L2  vouchers a second, one node per core   1 / (verify + digest + decode + append), the payee
    L3  latency of one durable voucher         sign + verify + 2 digests + encode + decode
                                               + 2 appends + 2 flushes + 1 round trip
    L3r the same with a receipt, asked for     L3 + sign + verify + 2 digests + 2 appends
                                               + flush + round trip
    L4  ledger updates a second, two cores     2 / (2 (sign + verify + state digest) + 3 appends)
    L5  one ledger's updates a second          1 / (that work + 3 flushes + 1 round trip)
    L6  opening through one hub                5 (2 verify + sign + state digest + flush
                                               + half a round trip)
    L6c openings a second, one core            1 / (10 sign + 16 verify + 26 state digests)
    L7  replay                                 1 / (iterate + typed decode)
    L8a signatures looked at a second          cores / verify: what an audit must do at least
    L9  durable appends by 100                 100 / one synced RocksDB write of 100
"""

from __future__ import annotations

import os
import secrets
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec
from coincurve._libsecp256k1 import ffi, lib  # type: ignore[import-not-found]  # a C extension
from coincurve.context import GLOBAL_CONTEXT
from rocksdict import Options, Rdict, WriteBatch, WriteOptions
from sha3 import keccak_256

from node.verify.pool import core_count
from scripts.benchmarks.machine import median_seconds, median_us, pinned, without_gc

BATCH_COUNT = 100
"""Events in one durable write."""
VALUE_SIZE_BYTES = 200
"""Of one stored event."""
MESSAGE_SIZE_BYTES = 128
"""Sent both ways in a round trip."""
DRIFT_PERCENT_MAX = 15.0
"""Two measurements of a limit that differ by more say that the machine was not itself."""

_CONTEXT = GLOBAL_CONTEXT.ctx
_PREFIX = b"\x19Ethereum Signed Message:\n32"
_ECHO = """
import os, socket, sys
os.sched_setaffinity(0, {int(sys.argv[2])})
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as peer:
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := peer.recv(4096):
        peer.sendall(data)
"""


@dataclass(frozen=True)
class Effort:
    """How often each part is repeated."""

    fast: int = 20_000
    """Calls in a block, for parts below a microsecond."""
    signatures: int = 400
    """Calls in a block, for signing and verifying."""
    flushes: int = 300
    round_trips: int = 2_000
    batches: int = 60
    events: int = 200_000
    """Stored for the replay."""


@dataclass(frozen=True)
class Parts:
    """Microseconds for each part; limits are derived."""

    sign_us: float
    verify_us: float
    digest_us: float
    state_digest_us: float
    """Of a state of 1,120 bytes: three allocations, one of them a guarantee."""
    encode_us: float
    decode_us: float
    append_us: float
    """One event's share of a large unsynced write."""
    flush_us: float
    """256 bytes and an fdatasync."""
    round_trip_us: float
    synced_event_us: float
    """One event's share of a synced write of 100."""
    replayed_event_us: float
    """Iterate and decode one event."""

    @property
    def vouchers_per_s(self) -> float:
        """L2."""
        return 1e6 / (self.verify_us + self.digest_us + self.decode_us + self.append_us)

    @property
    def voucher_latency_ms(self) -> float:
        """L3."""
        both = 2 * (self.digest_us + self.append_us) + self.encode_us + self.decode_us
        work = self.sign_us + self.verify_us + both
        return (work + 2 * self.flush_us + self.round_trip_us) / 1e3

    @property
    def receipted_latency_ms(self) -> float:
        """L3r."""
        receipt_us = self.sign_us + self.verify_us + 2 * (self.digest_us + self.append_us)
        return self.voucher_latency_ms + (receipt_us + self.flush_us + self.round_trip_us) / 1e3

    @property
    def ledger_update_us(self) -> float:
        """Work of both sides for one update."""
        signed = self.sign_us + self.verify_us + self.state_digest_us
        return 2 * signed + 3 * self.append_us

    @property
    def ledger_updates_per_s(self) -> float:
        """L4."""
        return 2e6 / self.ledger_update_us

    @property
    def one_ledger_per_s(self) -> float:
        """L5."""
        return 1e3 / self.one_ledger_ms

    @property
    def one_ledger_ms(self) -> float:
        """L5p."""
        return (self.ledger_update_us + 3 * self.flush_us + self.round_trip_us) / 1e3

    @property
    def opening_ms(self) -> float:
        """L6."""
        hop_us = 2 * self.verify_us + self.sign_us + self.state_digest_us + self.flush_us
        return 5 * (hop_us + self.round_trip_us / 2) / 1e3

    @property
    def openings_per_s(self) -> float:
        """L6c."""
        work_us = 10 * self.sign_us + 16 * self.verify_us + 26 * self.state_digest_us
        return 1e6 / work_us

    @property
    def replay_per_s(self) -> float:
        """L7."""
        return 1e6 / self.replayed_event_us

    @property
    def verified_per_s(self) -> float:
        """L8a."""
        return core_count() * 1e6 / self.verify_us

    @property
    def appends_per_s(self) -> float:
        """L9."""
        return 1e6 / self.synced_event_us

    def limits(self) -> dict[str, float]:
        """Every limit by name."""
        return {
            "L2": self.vouchers_per_s,
            "L3": self.voucher_latency_ms,
            "L3r": self.receipted_latency_ms,
            "L4": self.ledger_updates_per_s,
            "L5": self.one_ledger_per_s,
            "L5p": self.one_ledger_ms,
            "L6": self.opening_ms,
            "L6c": self.openings_per_s,
            "L7": self.replay_per_s,
            "L8a": self.verified_per_s,
            "L9": self.appends_per_s,
            "flush": self.flush_us / 1e3,
        }


def mean(first: Parts, second: Parts) -> Parts:
    """The mean of each part: what a benchmark between the two is divided by."""
    return Parts(
        **{f.name: (getattr(first, f.name) + getattr(second, f.name)) / 2 for f in fields(Parts)}
    )


def drift_percent(first: Parts, second: Parts) -> float:
    """The largest difference between the limits of two measurements."""
    before, after = first.limits(), second.limits()
    return max(abs(after[name] - before[name]) / before[name] * 100.0 for name in before)


def measure(workspace: Path, effort: Effort | None = None) -> Parts:
    """Measure every part, with files in `workspace`, on one core."""
    effort = effort or Effort()
    with pinned(1):
        sign_us, verify_us = _signatures(effort.signatures)
        encode_us, decode_us = _codec(effort.fast)
        return Parts(
            sign_us=sign_us,
            verify_us=verify_us,
            digest_us=_digest(effort.fast),
            state_digest_us=_state_digest(effort.fast),
            encode_us=encode_us,
            decode_us=decode_us,
            append_us=_append(workspace / "append", effort.batches),
            flush_us=_flush(workspace / "flush", effort.flushes),
            round_trip_us=_round_trip(effort.round_trips),
            synced_event_us=_synced(workspace / "synced", effort.batches),
            replayed_event_us=_replayed(workspace / "replayed", effort.events),
        )


class Voucher(msgspec.Struct, frozen=True, array_like=True, tag="voucher", gc=False):
    """A record about as large as a voucher's: 113 bytes encoded."""

    channel_id: bytes
    amount: int
    signature: bytes


def _voucher() -> Voucher:
    return Voucher(secrets.token_bytes(32), 1_000_000, secrets.token_bytes(65))


def _signatures(repeats: int) -> tuple[float, float]:
    secret = ffi.new("unsigned char[32]", secrets.token_bytes(32))
    key = ffi.new("secp256k1_pubkey *")
    assert lib.secp256k1_ec_pubkey_create(_CONTEXT, key, secret) == 1
    digest = secrets.token_bytes(32)
    recoverable = ffi.new("secp256k1_ecdsa_recoverable_signature *")
    compact, recovery_id = ffi.new("unsigned char[64]"), ffi.new("int *")
    parsed = ffi.new("secp256k1_ecdsa_signature *")

    def sign() -> bytes:
        lib.secp256k1_ecdsa_sign_recoverable(
            _CONTEXT, recoverable, digest, secret, ffi.NULL, ffi.NULL
        )
        lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(
            _CONTEXT, compact, recovery_id, recoverable
        )
        return bytes(ffi.buffer(compact)) + bytes((27 + recovery_id[0],))

    signature = sign()

    def verify() -> bool:
        lib.secp256k1_ecdsa_signature_parse_compact(_CONTEXT, parsed, signature[:64])
        verdict: int = lib.secp256k1_ecdsa_verify(_CONTEXT, parsed, digest, key)
        return verdict == 1

    assert verify()
    return median_us(sign, repeats), median_us(verify, repeats)


def _digest(repeats: int) -> float:
    channel_id, amount = secrets.token_bytes(32), 10**18

    def digest() -> bytes:
        inner = keccak_256(channel_id + amount.to_bytes(32, "big")).digest()
        return bytes(keccak_256(_PREFIX + inner).digest())

    return median_us(digest, repeats)


def _state_digest(repeats: int) -> float:
    head, tail = secrets.token_bytes(96), secrets.token_bytes(1_120 - 96)

    def digest() -> bytes:
        inner = keccak_256(b"".join((head, tail))).digest()
        return bytes(keccak_256(_PREFIX + inner).digest())

    return median_us(digest, repeats)


def _codec(repeats: int) -> tuple[float, float]:
    voucher = _voucher()
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Voucher)
    encoded = encoder.encode(voucher)
    assert decoder.decode(encoded) == voucher
    return (
        median_us(lambda: encoder.encode(voucher), repeats),
        median_us(lambda: decoder.decode(encoded), repeats),
    )


@contextmanager
def _database(path: Path) -> Iterator[Rdict]:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    database = Rdict(str(path), options)
    try:
        yield database
    finally:
        database.close()
        Rdict.destroy(str(path))


def _append(path: Path, batches: int) -> float:
    """The share of one event in unsynced writes of 1,000."""
    value, size = secrets.token_bytes(VALUE_SIZE_BYTES), 1_000
    with _database(path) as database:
        return _write_batches(database, value, size, max(batches // 6, 2), sync=False)


def _synced(path: Path, batches: int) -> float:
    value = secrets.token_bytes(VALUE_SIZE_BYTES)
    with _database(path) as database:
        return _write_batches(database, value, BATCH_COUNT, batches, sync=True)


def _write_batches(database: Rdict, value: bytes, size: int, batches: int, *, sync: bool) -> float:
    options = WriteOptions()
    options.sync = sync
    found = []
    with without_gc():
        for index in range(batches):
            keys = [(index * size + n).to_bytes(8, "big") for n in range(size)]
            started = time.perf_counter()
            batch = WriteBatch(raw_mode=True)
            put = batch.put
            for key in keys:
                put(key, value)
            database.write(batch, options)
            found.append((time.perf_counter() - started) / size * 1e6)
    return statistics.median(found)


def _flush(path: Path, repeats: int) -> float:
    data, found = secrets.token_bytes(256), []
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        for index in range(repeats):
            started = time.perf_counter()
            os.pwrite(descriptor, data, index * len(data))
            os.fdatasync(descriptor)
            found.append((time.perf_counter() - started) * 1e6)
    finally:
        os.close(descriptor)
        path.unlink()
    return statistics.median(found)


def _round_trip(repeats: int) -> float:
    """Two processes on two cores, plain sockets."""
    data, found = secrets.token_bytes(MESSAGE_SIZE_BYTES), []
    with socket.create_server(("127.0.0.1", 0)) as server:
        arguments = [str(server.getsockname()[1]), str(_other_core())]
        echo = subprocess.Popen([sys.executable, "-c", _ECHO, *arguments])
        try:
            server.settimeout(10.0)
            peer, _ = server.accept()
            with peer:
                peer.settimeout(10.0)
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for _ in range(repeats):
                    started = time.perf_counter()
                    peer.sendall(data)
                    missing = len(data)
                    while missing:
                        missing -= len(peer.recv(missing))
                    found.append((time.perf_counter() - started) * 1e6)
        finally:
            echo.kill()
            echo.wait()
    return statistics.median(found)


def _other_core() -> int:
    """A core this process is not pinned to, or the only one there is."""
    ours = os.sched_getaffinity(0)
    others = [core for core in range(os.cpu_count() or 1) if core not in ours]
    return others[0] if others else min(ours)


def _replayed(path: Path, events: int) -> float:
    """Iterate over what was flushed to tables and decode each value to its type."""
    encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Voucher)
    with _database(path) as database:
        for start in range(0, events, 1_000):
            batch = WriteBatch(raw_mode=True)
            for number in range(start, min(start + 1_000, events)):
                batch.put(number.to_bytes(8, "big"), encoder.encode(_voucher()))
            database.write(batch)
        database.flush()

        def replay() -> None:
            decode, count = decoder.decode, 0
            for value in database.values():
                decode(value)
                count += 1
            assert count == events, f"{count} of {events} events came back"

        return median_seconds(replay, 3) / events * 1e6
