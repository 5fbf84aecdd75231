#!/usr/bin/env python3
"""Check what a node's log holds: Python 3.8 or later and nothing else.

    python verify_proof.py FILE              prints what is proved and who signed for it
    python verify_proof.py FILE 0xADDRESS    refuses any other signer

FILE is what `tally prove` wrote. Exit code 0: proved, 3: not proved, 2: usage. Proved is that a
record is one of so many that the node signed, or that all of an older log begin a newer one.
"""

from __future__ import annotations

import json
import re
import sys
from hashlib import sha256
from typing import Any

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G_X = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798
G_Y = 0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8


def _require(holds: object, reason: str) -> None:
    if not holds:
        raise ValueError(reason)


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash."""
    rate, lanes = 136, [[0] * 5 for _ in range(5)]
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % rate))
    padded[-1] |= 0x80
    for start in range(0, len(padded), rate):
        for i in range(rate // 8):
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[start + 8 * i :][:8], "little")
        register = 1
        for _ in range(24):
            sums = [a ^ b ^ c ^ d ^ e for a, b, c, d, e in lanes]
            for x in range(5):
                parity = sums[x - 1] ^ (sums[(x + 1) % 5] << 1 | sums[(x + 1) % 5] >> 63) % 2**64
                lanes[x] = [word ^ parity for word in lanes[x]]
            x, y, word = 1, 0, lanes[1][0]
            for step in range(24):
                x, y, count = y, (2 * x + 3 * y) % 5, (step + 1) * (step + 2) // 2 % 64
                word, lanes[x][y] = lanes[x][y], (word << count | word >> 64 - count) % 2**64
            for y in range(5):
                row = [lanes[x][y] for x in range(5)]
                for x in range(5):
                    lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
            for bit in range(7):
                register = ((register << 1) ^ ((register >> 7) * 0x71)) % 256
                lanes[0][0] ^= (register >> 1 & 1) << ((1 << bit) - 1)
    return b"".join(lanes[i][0].to_bytes(8, "little") for i in range(4))


def _added(a: Any, b: Any) -> Any:
    if a is None or b is None:  # The point at infinity.
        return b if a is None else a
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    rise, run = (3 * a[0] * a[0], 2 * a[1]) if a == b else (b[1] - a[1], b[0] - a[0])
    slope = rise * pow(run, P - 2, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def signer_of(digest: bytes, signature: bytes) -> bytes:
    """The 20-byte address that signed the digest: r, s and v in 65 bytes."""
    _require(len(signature) == 65 and signature[64] in (27, 28), "malformed signature")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    _require(0 < r < N and 0 < s <= N // 2, "signature out of range")
    y = pow(r**3 + 7, (P + 1) // 4, P)
    _require((y * y - r**3 - 7) % P == 0, "no key recovers from the signature")
    y = y if y % 2 == signature[64] - 27 else P - y
    inverse = pow(r, N - 2, N)
    u, v = -int.from_bytes(digest, "big") * inverse % N, s * inverse % N
    key: Any = None
    for bit in range(255, -1, -1):
        key = _added(key, key)
        for factor, point in ((u, (G_X, G_Y)), (v, (r, y))):
            key = _added(key, point) if factor >> bit & 1 else key
    _require(key, "no key recovers from the signature")
    return keccak256(key[0].to_bytes(32, "big") + key[1].to_bytes(32, "big"))[12:]


def _unpacked(data: bytes, at: int) -> tuple[Any, int]:
    kind, at = data[at], at + 1
    if kind < 0x80 or kind >= 0xE0:
        return (kind if kind < 0x80 else kind - 256), at
    if kind in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[kind], at
    if 0xCC <= kind <= 0xD3:
        size = 1 << (kind & 3)
        return int.from_bytes(data[at : at + size], "big", signed=kind >= 0xD0), at + size
    width = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4}.get(kind, 0)
    _require(width or 0x90 <= kind < 0xC0, "the record is no MessagePack")
    size = kind & (0x0F if kind < 0xA0 else 0x1F)
    if width:
        size, at = int.from_bytes(data[at : at + width], "big"), at + width
    if kind < 0xA0 or kind > 0xDB:
        values = []
        for _ in range(size):
            value, at = _unpacked(data, at)
            values.append(value)
        return values, at
    part = data[at : at + size]
    _require(len(part) == size, "the record ends too early")
    return ("0x" + part.hex() if 0xC4 <= kind <= 0xC6 else part.decode()), at + size


def _as_bytes(text: object, size: int | None) -> bytes:
    _require(re.fullmatch(r"0x([0-9a-fA-F]{2})*", str(text)), f"{text!r} is no hex")
    data = bytes.fromhex(str(text)[2:])
    _require(size in (None, len(data)), f"{len(data)} bytes where {size} belong")
    return data


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _signed(proof: Any, head: Any, node: str | None) -> tuple[int, bytes]:
    length, chain_id, root = head["length"], proof["chain_id"], _as_bytes(head["root"], 32)
    _require(type(length) is type(chain_id) is int and 0 < length <= 2**48, "a number is none")
    adjudicator, owner = _as_bytes(proof["adjudicator"], 20), _as_bytes(proof["node"], 20)
    words = [bytes.fromhex(f"{chain_id:064x}"), bytes(12) + adjudicator, bytes(12) + owner]
    words += [length.to_bytes(32, "big"), root]
    signed = keccak256(keccak256(b"tallystick log head v1") + b"".join(words))
    digest = keccak256(b"\x19Ethereum Signed Message:\n32" + signed)
    _require(signer_of(digest, _as_bytes(head["signature"], 65)) == owner, "not signed by its node")
    _require(node is None or _as_bytes(node, 20) == owner, f"the log is of {proof['node']}")
    return length, root


def consistent(proof: Any, node: str | None = None) -> list[Any]:
    """What is proved of two heads, by RFC 9162, 2.1.4.2; raises ValueError if nothing is."""
    (old, old_root), (new, new_root) = (_signed(proof, proof[k], node) for k in ("old", "new"))
    zeros = (old & -old).bit_length() - 1 if old < new else 48
    first, last = old - 1 >> zeros, new - 1 >> zeros
    path = [*([] if first else [old_root]), *(_as_bytes(h, 32) for h in proof["path"])]
    _require(old <= new and path, "not that many hashes")
    older = newer = path[0]
    for hashed in path[1:]:
        _require(last, "not that many hashes")
        if first & 1 or first == last:
            older, newer = _node(hashed, older), _node(hashed, newer)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            newer = _node(newer, hashed)
        first, last = first >> 1, last >> 1
    _require((older, newer, last) == (old_root, new_root, 0), "the newer log begins otherwise")
    return [f"the log of {new} records signed by {proof['node']} begins with that of {old}"]


def verified(proof: Any, node: str | None = None) -> list[Any]:
    """The record's fields and what is proved of it; raises ValueError if nothing is."""
    (length, root), seq = _signed(proof, proof["head"], node), proof["seq"]
    _require(type(seq) is int and 0 <= seq < length, "a number is out of range")
    record, before = _as_bytes(proof["record"], None), _as_bytes(proof["chain_before"], 32)
    chain_hash = sha256(before + record).digest()
    _require(_as_bytes(proof["chain_hash"], 32) == chain_hash, "the chain hash is not the record's")
    path, peaks = ([_as_bytes(h, 32) for h in proof[key]] for key in ("path", "peaks"))
    heights = [h for h in range(length.bit_length() - 1, -1, -1) if length >> h & 1]
    place = next(i for i, h in enumerate(heights) if seq < length >> h << h)
    _require((len(peaks), len(path)) == (len(heights), heights[place]), "not that many hashes")
    hashed = sha256(b"\x00" + chain_hash).digest()
    for height, sibling in enumerate(path):
        hashed = _node(sibling, hashed) if seq >> height & 1 else _node(hashed, sibling)
    _require(hashed == peaks[place], "the record does not lead to its peak")
    while len(peaks) > 1:
        peaks[-2:] = [_node(*peaks[-2:])]
    _require(peaks == [root], "the peaks do not lead to the root")
    found, end = _unpacked(record, 0)
    _require((end, len(found), found[1]) == (len(record), 6, seq), "the record is another")
    told = json.dumps({"name": found[4], "time_ms": found[2], "payload": found[5]})
    where = f"(chain {proof['chain_id']}, adjudicator {proof['adjudicator']})"
    return [*found, f"record {seq} of {length} signed by {proof['node']}\n{where}\n{told}"]


def main(arguments: list[str]) -> int:
    """Check the file and print what it proves; returns the exit code."""
    if len(arguments) not in (1, 2):
        print(__doc__)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            proof = json.load(file)
        formats = {"tallystick log proof 1": verified, "tallystick log consistency 1": consistent}
        print("PROVED:", formats[proof["format"]](proof, *arguments[1:])[-1])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        print(f"NOT PROVED: {error} ({type(error).__name__})")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
