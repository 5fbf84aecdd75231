"""A channel's life as a sequence diagram: who there is, and what went from one to another.

Made from a story as `channel_explain` answers it, so that any moment and any kind of channel can be
drawn. How it is drawn is another room's: text, SVG, Mermaid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from node.amounts import format_of
from node.explain.words import harmless, short

OWNER, US, CHAIN = "owner", "us", "chain"


class Lifeline(Struct, frozen=True, gc=False):
    """Somebody who takes part."""

    key: str
    """owner, us, chain, or a participant's address."""
    name: str
    role: str
    """payer, payee, hub, leader, follower or player; empty for owner and chain."""


class Row(Struct, frozen=True, gc=False):
    """One arrow, or a note at one lifeline."""

    source: str
    target: str | None
    """None for a note."""
    label: str
    seq: int
    last_seq: int
    time_ms: int
    is_run: bool


class Diagram(Struct, frozen=True, gc=False):
    """All of it, from left to right and from top to bottom."""

    title: str
    subtitle: str
    lifelines: list[Lifeline]
    rows: list[Row]
    notes: list[str] = []
    """What is not drawn, and how to see it."""
    next_seq: int | None = None
    """The record at which the life goes on; null if all of it, up to its moment, is drawn."""


def diagram_of(story: Mapping[str, Any], *, is_late: bool = False) -> Diagram:
    """The diagram of a channel's story; `is_late`: of one that was asked for from a moment on."""
    rows = [row for step in story["steps"] if (row := _row(step)) is not None]
    everybody = _lifelines(story)
    known = {lifeline.key for lifeline in everybody}
    rows = [row for row in rows if row.source in known and row.target in (None, *known)]
    taking_part = {US, *(row.source for row in rows), *(row.target for row in rows if row.target)}
    lifelines = [lifeline for lifeline in everybody if lifeline.key in taking_part]
    money = " and ".join(
        format_of(story["asset"], int(each)) for each in story["deposits"] if int(each)
    )
    kind = "Channel" if story["kind"] == "unknown" else f"{story['kind'].capitalize()} channel"
    title = f"{kind} {short(story['channel_id'])}{', ' + money if money else ''}"
    subtitle = harmless(story["standing"]["what"])
    return Diagram(title, subtitle, lifelines, rows, _notes(story, is_late), story["next_seq"])


def _notes(story: Mapping[str, Any], is_late: bool) -> list[str]:
    steps, next_seq, found = story["steps"], story["next_seq"], []
    if is_late and steps:
        found.append(f"It begins at record {steps[0]['seq']}: what was before is not drawn.")
    if next_seq is not None:
        found.append(
            f"It ends before record {next_seq}, and there is more: draw on with --from {next_seq}."
        )
    return found


def _row(step: Mapping[str, Any]) -> Row | None:
    if step["is_detail"] or not step["label"]:
        return None
    source = _key(step["who"], step["peer"])
    target = None if step["to"] is None else _key(step["to"], step["peer"])
    if target == source:
        target = None
    return Row(
        source,
        target,
        harmless(step["label"]),
        step["seq"],
        step["last_seq"],
        step["time_ms"],
        step["record_count"] > 1,
    )


def _key(actor: str, peer: str | None) -> str:
    if actor == "peer":
        return peer or "peer"
    return US if actor == "timer" else actor


def _lifelines(story: Mapping[str, Any]) -> list[Lifeline]:
    """The owner, the participants in their order with us among them, the chain."""
    participants, ours = story["participants"], story["our_address"]
    roles = _roles(story["kind"], len(participants))
    found = [Lifeline(OWNER, "our owner", "")]
    for address, role in zip(participants, roles, strict=True):
        key, name = (US, "this node") if address == ours else (address, short(address))
        found.append(Lifeline(key, name, role))
    if ours not in participants:
        found.append(Lifeline(US, "this node", ""))
    return [*found, Lifeline(CHAIN, "chain", "")]


def _roles(kind: str, count: int) -> Sequence[str]:
    if kind == "ledger":
        return ("leader", "follower")[:count]
    if kind == "unknown" or count < 2:
        return ("",) * count
    first, last = ("player", "player") if kind == "app" else ("payer", "payee")
    return (first, *("hub",) * (count - 2), last)
