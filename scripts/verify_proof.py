#!/usr/bin/env python3
"""Check that a node's log holds a record: Python 3.8 or later and nothing else.

    python verify_proof.py FILE              prints the record and who signed for it
    python verify_proof.py FILE 0xADDRESS    refuses any other signer

FILE is what `tally prove SEQ --out FILE` wrote. Exit code 0: proved. 3: not proved. 2: usage. What
is proved is that the node with that key signed a log of so many records of which this is one; it
can never again show a log of that length without it. What the record claims is the node's word.
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


class NotProved(Exception):
    """Why the proof does not hold."""


def _require(holds: object, reason: str) -> None:
    if not holds:
        raise NotProved(reason)


def _rotated(word: int, count: int) -> int:
    return ((word << count) | (word >> (64 - count))) & (2**64 - 1) if count else word


def _keccak_f(lanes: list[list[int]]) -> None:
    register = 1
    for _ in range(24):
        columns = [a ^ b ^ c ^ d ^ e for a, b, c, d, e in lanes]
        for x in range(5):
            parity = columns[x - 1] ^ _rotated(columns[(x + 1) % 5], 1)
            lanes[x] = [word ^ parity for word in lanes[x]]
        x, y, current = 1, 0, lanes[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], _rotated(current, (step + 1) * (step + 2) // 2 % 64)
        for y in range(5):
            row = [lanes[x][y] for x in range(5)]
            for x in range(5):
                lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        for bit in range(7):
            register = ((register << 1) ^ ((register >> 7) * 0x71)) % 256
            if register & 2:
                lanes[0][0] ^= 1 << ((1 << bit) - 1)


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash."""
    rate, lanes = 136, [[0] * 5 for _ in range(5)]
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % rate))
    padded[-1] |= 0x80
    for start in range(0, len(padded), rate):
        for i in range(rate // 8):
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[start + 8 * i :][:8], "little")
        _keccak_f(lanes)
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


def _times(factor: int, point: Any) -> Any:
    result = None
    for bit in bin(factor)[2:]:
        result = _added(_added(result, result), point if bit == "1" else None)
    return result


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
    key = _added(_times(u, (G_X, G_Y)), _times(v, (r, y)))
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
    if 0x90 <= kind < 0xA0 or kind in (0xDC, 0xDD):
        width, values = (2 << (kind - 0xDC) if kind >= 0xDC else 0), []
        size = int.from_bytes(data[at : at + width], "big") if width else kind - 0x90
        at += width
        for _ in range(size):
            value, at = _unpacked(data, at)
            values.append(value)
        return values, at
    if 0xA0 <= kind < 0xC0:
        size, is_text = kind - 0xA0, True
    else:
        _require(kind in (0xC4, 0xC5, 0xC6, 0xD9, 0xDA, 0xDB), "the record is no MessagePack")
        is_text, width = kind >= 0xD9, 1 << (kind - (0xD9 if kind >= 0xD9 else 0xC4))
        size, at = int.from_bytes(data[at : at + width], "big"), at + width
    part = data[at : at + size]
    _require(len(part) == size, "the record ends too early")
    return (part.decode() if is_text else "0x" + part.hex()), at + size


def _as_bytes(text: object, size: int | None) -> bytes:
    _require(re.fullmatch(r"0x([0-9a-fA-F]{2})*", str(text)), f"{text!r} is no hex")
    data = bytes.fromhex(str(text)[2:])
    _require(size in (None, len(data)), f"{len(data)} bytes where {size} belong")
    return data


def verified(proof: Any, node: str | None) -> list[Any]:
    """The record as a list, if everything holds; raises NotProved."""
    _require(proof["format"] == "tallystick log proof 1", "another format")
    seq, length, chain_id = proof["seq"], proof["head"]["length"], proof["chain_id"]
    _require(all(type(n) is int for n in (seq, length, chain_id)), "a number is none")
    _require(0 <= seq < length <= 2**48 and 0 <= chain_id < 2**256, "a number is out of range")
    record, before = _as_bytes(proof["record"], None), _as_bytes(proof["chain_before"], 32)
    chain_hash = sha256(before + record).digest()
    _require(_as_bytes(proof["chain_hash"], 32) == chain_hash, "the chain hash is not the record's")
    path, peaks = ([_as_bytes(h, 32) for h in proof[key]] for key in ("path", "peaks"))
    # The records stand under perfect trees, one for each binary digit of their number.
    heights = [h for h in range(length.bit_length() - 1, -1, -1) if length >> h & 1]
    ends = [sum(1 << h for h in heights[: i + 1]) for i in range(len(heights))]
    place = next(i for i, end in enumerate(ends) if seq < end)
    _require((len(peaks), len(path)) == (len(heights), heights[place]), "not that many hashes")
    hashed = sha256(b"\x00" + chain_hash).digest()
    for height, sibling in enumerate(path):
        pair = sibling + hashed if seq >> height & 1 else hashed + sibling
        hashed = sha256(b"\x01" + pair).digest()
    _require(hashed == peaks[place], "the record does not lead to its peak")
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = sha256(b"\x01" + peak + root).digest()
    _require(root == _as_bytes(proof["head"]["root"], 32), "the peaks do not lead to the root")
    adjudicator, owner = _as_bytes(proof["adjudicator"], 20), _as_bytes(proof["node"], 20)
    words = [chain_id.to_bytes(32, "big"), bytes(12) + adjudicator, bytes(12) + owner]
    words += [length.to_bytes(32, "big"), root]
    signed = keccak256(keccak256(b"tallystick log head v1") + b"".join(words))
    digest = keccak256(b"\x19Ethereum Signed Message:\n32" + signed)
    signer = signer_of(digest, _as_bytes(proof["head"]["signature"], 65))
    _require(signer == owner, "not signed by its node")
    _require(node is None or _as_bytes(node, 20) == owner, f"the log is of {proof['node']}")
    found, end = _unpacked(record, 0)
    _require(end == len(record) and len(found) == 6, "what is proved is no record")
    _require(found[1] == seq, f"the record says that it is number {found[1]}")
    return list(found)


def main(arguments: list[str]) -> int:
    """Check the file and print what it proves; returns the exit code."""
    if len(arguments) not in (1, 2):
        print(__doc__)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            proof = json.load(file)
        found = verified(proof, arguments[1] if len(arguments) == 2 else None)
    except NotProved as reason:
        print(f"NOT PROVED: {reason}")
        return 3
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        print(f"NOT PROVED: the file holds no proof ({type(error).__name__}: {error})")
        return 3
    print(f"PROVED: record {found[1]} of {proof['head']['length']} signed by {proof['node']}")
    print(f"(chain {proof['chain_id']}, adjudicator {proof['adjudicator']})")
    print(json.dumps({"name": found[4], "time_ms": found[2], "payload": found[5]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
