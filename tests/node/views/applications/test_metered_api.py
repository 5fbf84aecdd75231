"""The meter against a model in Python: what is owed is exactly what was answered, at its price."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from node.views.encoding import uint256
from node.views.errors import Failure
from tests.support.applications import Application

CLIENT, SERVER = 0, 1
(
    NO_SUCH_ACTION,
    NOT_THE_CLIENT,
    NOT_THE_SERVER,
    NO_SUCH_METHOD,
    PAYMENT_DUE,
    NO_SUCH_REQUEST,
    ALREADY_ANSWERED,
    PAID_LESS,
    TOO_LONG,
    TOO_MUCH,
) = range(1, 11)
RANGE = 2**256


@dataclass
class Model:
    """The meter once more, as the README says it."""

    prices: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[int, bool]] = field(default_factory=list)
    credit: int = 0
    paid: int = 0

    @property
    def waiting(self) -> int:
        return sum(price for price, is_answered in self.requests if not is_answered)

    @property
    def owed(self) -> int:
        return sum(price for price, is_answered in self.requests if is_answered)

    def price(self, method: str, amount: int) -> int:
        self.prices[method] = amount
        return 0

    def set_credit(self, amount: int) -> int:
        self.credit = amount
        return 0

    def request(self, method: str) -> int:
        if method not in self.prices:
            return NO_SUCH_METHOD
        price = self.prices[method]
        if self.waiting + price >= RANGE:
            return TOO_MUCH
        all_owed = self.owed + self.waiting + price
        if all_owed >= RANGE or all_owed > self.paid + self.credit:
            return PAYMENT_DUE
        self.requests.append((price, False))
        return 0

    def answer(self, number: int) -> int:
        if not 1 <= number <= len(self.requests):
            return NO_SUCH_REQUEST
        price, is_answered = self.requests[number - 1]
        if is_answered:
            return ALREADY_ANSWERED
        self.requests[number - 1] = (price, True)
        return 0

    def note_paid(self, amount: int) -> int:
        if amount < self.paid:
            return PAID_LESS
        self.paid = amount
        return 0


def step(draw: random.Random, model: Model, scale: int) -> tuple[int, list[Any], int]:
    """A message of either side, and the code that the model says."""
    kind = draw.randrange(10)
    method, amount = draw.choice("abcd"), draw.randrange(scale)
    if kind == 0:
        return SERVER, ["price", method, uint256(amount)], model.price(method, amount)
    if kind == 1:
        return SERVER, ["credit", uint256(amount)], model.set_credit(amount)
    if kind <= 5:
        return CLIENT, ["request", method, b"x"], model.request(method)
    if kind <= 8:
        number = draw.randrange(len(model.requests) + 2)
        return SERVER, ["answer", number, b"y"], model.answer(number)
    paid = draw.choice([model.owed, amount])
    return SERVER, ["paid", uint256(paid)], model.note_paid(paid)


@pytest.mark.parametrize("scale", [10, 1_000, 2**255, RANGE])
@pytest.mark.parametrize("seed", range(3))
def test_random_conversations_follow_the_model(seed: int, scale: int) -> None:
    draw, model = random.Random(seed), Model()
    with Application("metered_api", (0, 0)) as api:
        for _ in range(300):
            sender, payload, code = step(draw, model, scale)
            verdict = api.say(sender, payload)
            assert (verdict.failure, verdict.code) == (None, code), payload
        amounts = map(uint256, (model.credit, model.waiting, model.owed, model.paid))
        assert api.rows("meter") == [(0, len(model.requests), *amounts)]
        found = [(row[2], row[5] is not None) for row in api.rows("requests")]
        assert found == [(uint256(price), answered) for price, answered in model.requests]
        assert api.payouts() == (0, 0)


def test_the_client_never_owes_more_than_the_answers_and_the_server_never_trusts_beyond() -> None:
    with Application("metered_api", (0, 0)) as api:
        api.say(SERVER, ["price", "a", uint256(4)])
        api.say(SERVER, ["credit", uint256(10)])
        assert [api.say(CLIENT, ["request", "a", b""]).code for _ in range(3)] == [
            0,
            0,
            PAYMENT_DUE,
        ]
        assert api.rows("meter")[0][4] == uint256(0)
        api.say(SERVER, ["answer", 1, b"answer"])
        assert api.rows("meter")[0][4] == uint256(4)
        api.say(SERVER, ["paid", uint256(4)])
        assert api.say(CLIENT, ["request", "a", b""]).is_applied
        number, method, price, requested_ms, argument, answered_ms, answer = api.rows("requests")[0]
        assert (number, method, price, argument, answer) == (1, "a", uint256(4), b"", b"answer")
        assert answered_ms > requested_ms


@pytest.mark.parametrize("action", ["price", "credit", "answer", "paid"])
def test_the_client_cannot_do_what_is_the_servers(action: str) -> None:
    values = {"price": ["a", uint256(1)], "answer": [1, b""]}.get(action, [uint256(1)])
    with Application("metered_api") as api:
        assert api.say(CLIENT, [action, *values]).code == NOT_THE_SERVER
        assert api.say(SERVER, ["request", "a", b""]).code == NOT_THE_CLIENT


@pytest.mark.parametrize(
    "payload", [["price", "a", 5], ["price", "a", b"\1"], ["credit", "1"], ["paid", None], [0], 7]
)
def test_a_message_of_another_form_is_a_failure(payload: Any) -> None:
    with Application("metered_api") as api:
        assert api.say(SERVER, payload).failure is Failure.TRAP_UNREACHABLE
