"""A playbook: inputs and, after each, exactly what the crank must answer; a diff if it does not.

    assert (
        Playbook(node)
        >> deposited()
        << "chain-log-observed, deposit-detected"
        << "state-stored, state-signed, message-sent, objective-cranked"
        << "send SignedState"
        << "wait complete-postfund"
    )

Expected are names, comma-separated: an event's name; `send BODY`, `submit KIND`, `broadcast`; and
`wait CONDITION` last, unless nothing is awaited. An event or an effect itself is compared whole.
Each input's answer is folded into the node before the next.
"""

from __future__ import annotations

import difflib

from protocols.draft import CrankResult
from protocols.effects import BroadcastTransaction, Effect, SendMessage, SubmitTransaction
from protocols.events import Event
from protocols.messages import decode_body
from protocols.objectives.base import WaitingFor
from tests.support.network import CoreNode, Item

Expected = str | Event | Effect


class Playbook:
    """Steps for one node; truth plays them, once."""

    def __init__(self, node: CoreNode) -> None:
        self._node = node
        self._steps: list[tuple[Item, list[Expected]]] = []

    def __rshift__(self, item: Item) -> Playbook:
        self._steps.append((item, []))
        return self

    def __lshift__(self, expected: Expected) -> Playbook:
        names = expected.split(",") if isinstance(expected, str) else [expected]
        answers = self._steps[-1][1]
        answers += [name.strip() if isinstance(name, str) else name for name in names]
        return self

    def __bool__(self) -> bool:
        for number, (item, expected) in enumerate(self._steps, start=1):
            actual = answers(self._node.feed(item))
            whole = [e if isinstance(e, str) else repr(e) for e in expected]
            shown = [_label(answer) for answer in actual]
            for index, answer in enumerate(actual[: len(expected)]):
                if not isinstance(expected[index], str):
                    shown[index] = repr(answer)
            if shown != whole:
                diff = difflib.unified_diff(whole, shown, "expected", "answered", lineterm="", n=99)
                raise AssertionError("\n".join((f"step {number}: >> {item!r}", *diff)))
        return True


def answers(result: CrankResult) -> list[Event | Effect | WaitingFor]:
    """Events, effects and the awaited condition of one answer, in this order."""
    awaited = [result.waiting_for] if result.waiting_for != WaitingFor.NOTHING else []
    return [*result.events, *result.effects, *awaited]


def names(result: CrankResult) -> list[str]:
    """The answer as a playbook spells it."""
    return [_label(answer) for answer in answers(result)]


def _label(answer: Event | Effect | WaitingFor) -> str:
    match answer:
        case Event():
            return answer.NAME
        case SendMessage():
            return f"send {type(decode_body(answer.body)).__name__}"
        case SubmitTransaction():
            return f"submit {answer.kind}"
        case BroadcastTransaction():
            return "broadcast"
        case WaitingFor():
            return f"wait {answer.value}"
