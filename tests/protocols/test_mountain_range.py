"""The range against the recursive tree of RFC 6962, and its proofs against every small change."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import InvalidEncoding
from protocols.mountain_range import (
    BLOCK_HEIGHT,
    BLOCK_LEAF_COUNT,
    MountainRange,
    leaf_hashes,
    levels,
    peaks_of_block,
    root_of_proof,
    spans,
)

LENGTHS = st.integers(1, 5 * BLOCK_LEAF_COUNT + 3)


def chain(length: int) -> list[bytes]:
    return [sha256(b"%d" % number).digest() for number in range(length)]


def naive_root(data: list[bytes]) -> bytes:
    """RFC 6962, 2.1: MTH."""
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    split = 1 << (len(data) - 1).bit_length() - 1
    return sha256(b"\x01" + naive_root(data[:split]) + naive_root(data[split:])).digest()


def naive_proof(data: list[bytes], seq: int) -> tuple[list[bytes], list[bytes]]:
    """Path and peaks by the naive tree alone."""
    peaks = [naive_root(data[first : first + (1 << height)]) for height, first in spans(len(data))]
    height, first = next(s for s in spans(len(data)) if s[1] <= seq < s[1] + (1 << s[0]))
    path = []
    for level in range(height):
        sibling = (seq >> level ^ 1) << level
        path.append(naive_root(data[sibling : sibling + (1 << level)]))
    assert first <= seq
    return path, peaks


@given(LENGTHS, st.lists(st.integers(0, 3 * BLOCK_LEAF_COUNT), max_size=4))
def test_the_root_is_that_of_the_rfc_however_the_range_grew(length: int, cuts: list[int]) -> None:
    data, grown, done = chain(length), MountainRange(), 0
    for cut in [*sorted(min(cut, length) for cut in cuts), length]:
        grown.extend(data[done:cut])
        done = cut
        assert grown.length == cut
        if cut:
            assert grown.root() == naive_root(data[:cut])


@given(LENGTHS)
def test_the_nodes_it_hands_out_are_the_perfect_trees_in_their_order(length: int) -> None:
    data, grown = chain(length), MountainRange()
    made = [node for number in range(length) for node in grown.extend(data[number : number + 1])]
    assert made == MountainRange().extend(data)
    assert made == sorted(made, key=lambda node: (node[1], node[0]))
    places = {(height, end) for height, end, _ in made}
    assert places == {
        (height, end)
        for height in range(BLOCK_HEIGHT, length.bit_length())
        for end in range(1 << height, length + 1, 1 << height)
    }
    for height, end, node in made:
        assert node == naive_root(data[end - (1 << height) : end])


@given(st.integers(0, 9), st.integers(0, 100))
def test_a_range_goes_on_from_the_peaks_of_its_whole_blocks(blocks: int, more: int) -> None:
    before, data = blocks * BLOCK_LEAF_COUNT, chain(blocks * BLOCK_LEAF_COUNT + more)
    peaks = [naive_root(data[first : first + (1 << height)]) for height, first in spans(before)]
    resumed = MountainRange(before, peaks)
    resumed.extend(data[before:])
    assert resumed.length == len(data)
    if data:
        assert resumed.root() == naive_root(data)


@given(LENGTHS, st.data())
def test_a_proof_leads_to_the_root_and_nothing_else_does(length: int, drawn: st.DataObject) -> None:
    data, seq = chain(length), drawn.draw(st.integers(0, length - 1))
    path, peaks = naive_proof(data, seq)
    root = naive_root(data)
    assert root_of_proof(data[seq], seq, length, path, peaks) == root
    other = drawn.draw(st.integers(0, length - 1).filter(lambda n: n != seq or length == 1))
    wrong = [
        (data[other] if length > 1 else b"\x00" * 32, seq, path, peaks),
        (data[seq], other if length > 1 else 1, path, peaks),
        (data[seq], seq, [*path, b"\x00" * 32], peaks),
        (data[seq], seq, path, [*peaks, b"\x00" * 32]),
        (data[seq], seq, path, peaks[:-1]),
    ]
    wrong += [(data[seq], seq, _changed(path, at), peaks) for at in range(len(path))]
    wrong += [(data[seq], seq, path, _changed(peaks, at)) for at in range(len(peaks))]
    for chain_hash, at, steps, tops in wrong:
        try:
            assert root_of_proof(chain_hash, at, length, steps, tops) != root
        except InvalidEncoding:
            pass


def _changed(hashes: list[bytes], at: int) -> list[bytes]:
    changed = bytes([hashes[at][0] ^ 1]) + hashes[at][1:]
    return [*hashes[:at], changed, *hashes[at + 1 :]]


@pytest.mark.parametrize(("seq", "length"), [(-1, 1), (1, 1), (0, 0), (0, 2**63)])
def test_a_place_outside_the_log_is_refused(seq: int, length: int) -> None:
    with pytest.raises(InvalidEncoding, match="is none of"):
        root_of_proof(b"\x00" * 32, seq, length, [], [b"\x00" * 32])


def test_a_hash_of_another_width_is_refused() -> None:
    leaf = chain(1)[0]
    with pytest.raises(InvalidEncoding, match="not of 32 bytes"):
        root_of_proof(leaf + b"\x00", 0, 1, [], leaf_hashes([leaf]))


def test_the_peaks_are_the_binary_digits() -> None:
    assert spans(0) == []
    assert spans(11) == [(3, 0), (1, 8), (0, 10)]
    assert [len(level) for level in levels(leaf_hashes(chain(7)))] == [7, 3, 1]
    assert peaks_of_block([]) == []
