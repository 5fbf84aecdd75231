"""CRC-32C (Castagnoli), as RocksDB guards its files with it.

Slow (some ten MB/s) and enough: it judges single records and small blocks where RocksDB itself
cannot be asked. Source: RFC 3720 appendix B.4; the mask is RocksDB's util/crc32c.h.
"""

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8


def _table_entry(index: int) -> int:
    for _ in range(8):
        index = (index >> 1) ^ (_POLYNOMIAL if index & 1 else 0)
    return index


_TABLE = tuple(_table_entry(index) for index in range(256))


def crc32c(data: bytes | memoryview) -> int:
    """The 32-bit checksum of `data`."""
    table = _TABLE
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def masked_crc32c(data: bytes | memoryview) -> int:
    """The checksum as RocksDB stores it, so that a checksum of checksums stays useful."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
