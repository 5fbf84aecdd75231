"""Running a kit in this process, on a real chain: what it does, and what it leaves undone."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from node.deployment import fund
from node.dispute_run import Dispute, Outcome, Stage, Task
from protocols.crypto import Signer
from protocols.dispute_kit import decode_kit
from protocols.dispute_reading import Case, read_kit
from protocols.exit_errors import GasNotFunded, KitOutdated
from protocols.types import checksum_address
from tests.support.daemons import Network, running_network
from tests.support.e2e_rig import until
from tests.support.laptop import export
from tests.support.leaving_daemons import is_answered, paid_ledger
from tests.support.old_states import challenge_with_old_state
from tests.support.warm_python import WarmPython, begun_by, started_by

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def network(python: WarmPython, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with (
        started_by(python),
        begun_by(python, running_network(tmp_path_factory.mktemp("dispute"))) as running,
    ):
        yield running


@pytest.fixture
def kit(network: Network, tmp_path: Path) -> tuple[str, Path]:
    """A ledger in which alice paid bob, and bob's kit of it."""
    ledger_id, path = paid_ledger(network), tmp_path / "kit.json"
    export(network.bob, ledger_id, path)
    return ledger_id, path


def case_of(path: Path) -> Case:
    return read_kit(decode_kit(path.read_bytes()))


def task(network: Network, case: Case, said: list[str], **changes: object) -> Task:
    given = {"dry_run": False, "waits": False, **changes}
    secret = given.pop("secret", None) or secrets.token_bytes(32)
    funded = given.pop("funded", True)
    if funded:
        fund(network.chain.deployment, checksum_address(Signer(secret).address), 10**18)
    return Task([network.chain.url], secret, case.signer(None), said.append, **given)


@contextmanager
def nobody_there(network: Network) -> Iterator[None]:
    """Both nodes are down for a while: a ledger whose parties are there would go on (M20)."""
    for node in network.nodes:
        node.stop()
    try:
        yield
    finally:
        for node in network.nodes:
            node.start()


async def run(network: Network, path: Path, said: list[str], **changes: object) -> Outcome:
    case = case_of(path)
    return await Dispute(case, task(network, case, said, **changes)).run()


async def test_a_plan_is_made_of_what_the_chain_did_since_and_nothing_is_done(
    network: Network, kit: tuple[str, Path]
) -> None:
    ledger_id, path = kit
    said: list[str] = []
    planned = await run(network, path, said, dry_run=True, funded=False)
    assert planned.stage == Stage.PLANNED
    assert [step.step for step in planned.plan.steps] == ["challenge", "transfer"]
    assert planned.transactions == []
    with pytest.raises(GasNotFunded):
        await run(network, path, said, funded=False)
    # bob answers while he is there; who runs his kit later finds that in the chain.
    challenge_with_old_state(network, network.alice, ledger_id)
    until("bob answered", lambda: is_answered(network.bob, ledger_id))
    planned = await run(network, path, said, dry_run=True, funded=False)
    assert [step.step for step in planned.plan.steps] == ["challenge", "transfer"]
    assert planned.transactions == []


async def test_without_waiting_it_stops_when_nothing_is_due(
    network: Network, kit: tuple[str, Path]
) -> None:
    _, path = kit
    said: list[str] = []
    with nobody_there(network):
        found = await run(network, path, said)
        assert (found.stage, [sent.kind for sent in found.transactions]) == (
            Stage.WAITING,
            ["challenge"],
        )
        assert found.final_s > 0
        assert any("ChallengeRegistered" in line for line in said)
        # Another key, and nothing is made twice.
        again = await run(network, path, said)
        assert (again.stage, again.transactions) == (Stage.WAITING, [])


async def test_what_an_earlier_run_sent_is_waited_for_and_not_sent_twice(
    network: Network, kit: tuple[str, Path]
) -> None:
    _, path = kit
    secret = secrets.token_bytes(32)
    payer = checksum_address(Signer(secret).address)
    fund(network.chain.deployment, payer, 10**18)
    said: list[str] = []
    found: list[Outcome] = []

    async def leave() -> None:
        found.append(await run(network, path, said, secret=secret, funded=False))

    async def until_said(word: str) -> None:
        with trio.fail_after(60):
            while not any(word in line for line in said):
                await trio.sleep(0.05)

    with nobody_there(network):
        network.chain.call("evm_setAutomine", False)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(leave)
                await until_said("sent challenge")
                # The endpoint has it, and no block holds it when the run is stopped.
                while network.chain.call("eth_getTransactionCount", payer, "pending") == "0x0":
                    await trio.sleep(0.05)
                nursery.cancel_scope.cancel()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(leave)
                await until_said("wait to be mined")
                network.chain.call("evm_mine")
        finally:
            network.chain.call("evm_setAutomine", True)
    (outcome,) = found
    assert (outcome.stage, outcome.transactions) == (Stage.WAITING, [])


async def test_money_waits_for_the_depth_that_is_asked_for(
    network: Network, kit: tuple[str, Path]
) -> None:
    _, path = kit
    said: list[str] = []
    found: list[Outcome] = []

    async def leave() -> None:
        found.append(await run(network, path, said, waits=True, confirmation_count=3))
        nursery.cancel_scope.cancel()

    with nobody_there(network):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave)
            has_passed = False
            while True:
                await trio.sleep(0.1)
                if not has_passed and any("ChallengeRegistered" in line for line in said):
                    has_passed = True
                    network.chain.call("evm_increaseTime", 86_401)
                network.chain.call("evm_mine")
    (outcome,) = found
    assert (outcome.stage, sum(outcome.received.values())) == (Stage.DONE, 3_700)


async def test_a_kit_that_the_chain_outranks_says_so(
    network: Network, kit: tuple[str, Path]
) -> None:
    ledger_id, path = kit
    assert json.loads(path.read_text())["channel_id"] == ledger_id
    network.alice.call("ledger_pay", channel_id=ledger_id, amount="50", until="agreed")
    # The answer to a stale challenge brings the newer state to the chain, and bob goes on.
    challenge_with_old_state(network, network.alice, ledger_id)
    until("bob answered", lambda: is_answered(network.bob, ledger_id))
    with pytest.raises(KitOutdated, match="newer state"):
        await run(network, path, [])
