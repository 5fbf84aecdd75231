"""One chain per test module, put back to its first block's state after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nitro_chain import Nitro, deployed_nitro


@pytest.fixture(scope="module")
def deployment() -> Iterator[Nitro]:
    with deployed_nitro() as nitro:
        yield nitro


@pytest.fixture
def nitro(deployment: Nitro) -> Iterator[Nitro]:
    snapshot = deployment.rpc.ask("evm_snapshot")
    yield deployment
    assert deployment.rpc.ask("evm_revert", snapshot)
