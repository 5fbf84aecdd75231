"""Workers find what one process finds, in the same order, and are gone afterwards."""

import os
import signal

import pytest

from node.verify.claims import Claim, Signed
from node.verify.pool import VerifierPool, core_count
from tests.support.actors import ALICE, BOB

HASHES = [number.to_bytes(32, "big") for number in range(1, 41)]


def claims(first: int, bad: set[int]) -> list[Claim]:
    """Ten claims; those at the places in `bad` do not hold."""
    return [
        Signed("it", hash32, (BOB if place in bad else ALICE).signer(hash32), ALICE.address)
        for place, hash32 in enumerate(HASHES[first : first + 10])
    ]


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("worker_count", [0, 1, 3])
def test_what_does_not_hold_is_found_whoever_looks(worker_count: int) -> None:
    bad = [{3}, set(), {0, 9}, {5, 6, 7}]
    with VerifierPool(worker_count) as pool:
        ids = pool.process_ids
        assert len(ids) == worker_count
        batches = [
            pool.hand_in(claims(first, places))
            for first, places in zip((0, 10, 20, 30), bad, strict=True)
        ]
        found = [pool.result(batch) for batch in reversed(batches)]
        assert [set(places) for places in reversed(found)] == bad
    assert not any(map(is_alive, ids))


def test_more_than_the_workers_may_hold_waits_its_turn() -> None:
    with VerifierPool(1) as pool:
        batches = [pool.hand_in(claims(number % 30, {number % 10})) for number in range(20)]
        assert [pool.result(batch) for batch in batches] == [[n % 10] for n in range(20)]


def test_the_workers_end_with_an_error_too() -> None:
    ids: list[int] = []

    def fails() -> None:
        with VerifierPool(2) as pool:
            ids.extend(pool.process_ids)
            pool.hand_in(claims(0, set()))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert len(ids) == 2
    assert not any(map(is_alive, ids))


def test_a_worker_that_dies_costs_no_answer() -> None:
    with VerifierPool(2) as pool:
        batches = [pool.hand_in(claims(first, {1})) for first in (0, 10, 20)]
        os.kill(pool.process_ids[0], signal.SIGKILL)
        assert [pool.result(batch) for batch in batches] == [[1]] * 3
        os.kill(pool.process_ids[-1], signal.SIGKILL)
        batches = [pool.hand_in(claims(first, {2})) for first in (0, 10, 20)]
        assert [pool.result(batch) for batch in batches] == [[2]] * 3


def test_a_worker_that_is_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.verify.pool.REPLY_TIMEOUT_S", 0.05)
    with VerifierPool(1) as pool:
        (worker,) = pool.process_ids
        os.kill(worker, signal.SIGSTOP)
        assert pool.result(pool.hand_in(claims(0, {4}))) == [4]
        assert pool.process_ids == []
        assert not is_alive(worker)


def test_there_is_a_core() -> None:
    assert 1 <= core_count() <= (os.cpu_count() or 1)
