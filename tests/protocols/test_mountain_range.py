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
    consistency_path,
    leaf_hashes,
    levels,
    node_hash,
    peaks_of_block,
    require_consistent,
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


@pytest.mark.slow
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


def grown(old: int, new: int) -> tuple[bytes, bytes, list[bytes]]:
    """Both roots and the path between them, by the naive tree alone."""
    data = chain(new)
    path = consistency_path(old, new, lambda first, end: naive_root(data[first:end]))
    return naive_root(data[:old]), naive_root(data), path


@given(LENGTHS, LENGTHS)
def test_a_range_that_grew_is_shown_to_begin_with_what_it_was(one: int, other: int) -> None:
    old, new = sorted((one, other))
    before, after, path = grown(old, new)
    require_consistent(old, before, new, after, path)
    assert len(path) <= new.bit_length() + 1
    if old == new:
        assert path == []


@given(LENGTHS, LENGTHS, st.data())
def test_no_other_path_root_or_length_shows_it(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    before, after, path = grown(old, new)
    place = data.draw(st.integers(0, len(path)))
    changed = [
        (old, bytes(32), new, after, path),
        (old, before, new, bytes(32), path),
        (old, before, new, after, [*path, bytes(32)]),
        (old, before, new, after, [*path[:place], bytes(32), *path[place + 1 :]]),
        (old, before[:31], new, after, path),
        (new + 1, after, new, after, path),
        (0, before, new, after, path),
    ]
    if path:
        changed.append((old, before, new, after, path[:place] + path[place + 1 :][:-1]))
    if old < new:
        changed.append((old, after, new, before, path))
    for case in changed:
        if case[4] == path and case[:4] == (old, before, new, after):
            continue
        with pytest.raises(InvalidEncoding):
            require_consistent(*case)


def test_the_paths_are_those_of_the_rfc() -> None:
    """RFC 9162, 2.1.5: of seven leaves, the proofs of the first three, four and six."""
    data = chain(7)

    def named(first: int, end: int) -> bytes:
        return naive_root(data[first:end])

    c, d, g = (named(n, n + 1) for n in (2, 3, 6))
    h, i, j = named(0, 2), named(2, 4), named(4, 6)
    k, last = node_hash(h, i), named(4, 7)
    assert consistency_path(3, 7, named) == [c, d, h, last]
    assert consistency_path(4, 7, named) == [last]
    assert consistency_path(6, 7, named) == [j, g, k]
