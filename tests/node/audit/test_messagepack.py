"""The independent reader's few calls."""

from hashlib import sha256

import pytest

from node.audit.messagepack import digest_of_last_element, last_element, pack, unpack


def test_what_is_packed_is_unpacked() -> None:
    value = [1, 2**64 - 1, None, True, "text", b"bytes", [b"nested"]]
    assert unpack(pack(value)) == value


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x01", pack(1) + b"\x00", b"\x91" * 5000])
def test_anything_else_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        unpack(data)


def test_the_last_element_is_found_by_its_own_bytes() -> None:
    assert last_element(pack([1, "two", [3]])) == pack([3])
    assert digest_of_last_element(pack([1, [2]])) == sha256(pack([2])).digest()


@pytest.mark.parametrize("data", [b"", b"\x96\x01", pack(1), pack({"a": 1})])
def test_without_an_array_there_is_no_last_element(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        last_element(data)
