"""CRC-32C (Castagnoli), as RocksDB guards its files with it.

It judges records and blocks where RocksDB itself cannot be asked. Source: RFC 3720 appendix B.4;
the mask is RocksDB's util/crc32c.h.
"""

import google_crc32c

_MASK_DELTA = 0xA282EAD8


def crc32c(data: bytes | memoryview) -> int:
    """The 32-bit checksum of `data`."""
    checksum: int = google_crc32c.value(bytes(data))
    return checksum


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as RocksDB stores it, so that a checksum of checksums stays useful."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
