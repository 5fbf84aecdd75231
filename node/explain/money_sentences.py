"""Sentences for payments under vouchers, and for what changes in ledgers."""

from __future__ import annotations

from node.explain.channel_sentences import Sentence
from node.explain.story import Cast, Telling
from node.explain.words import counted, harmless, quoted, short_bytes
from protocols import events, ledger_events, payment_events
from protocols.event import Event
from protocols.outcome import address_of_destination, is_external
from protocols.types import Address, Destination

_Update = ledger_events.LedgerUpdateProposed | ledger_events.LedgerUpdateReceived


def _other(cast: Cast) -> Address | None:
    return cast.counterparty


def _memo(memo: str) -> str:
    return f", {quoted(memo)}" if memo else ""


def _name(cast: Cast) -> str:
    other = cast.counterparty
    return "the other side" if other is None else cast.person(other)


# --- payments ---


def _issued(event: events.VoucherIssued, cast: Cast) -> Telling:
    amount = cast.money(event.amount)
    return Telling(
        f"We paid {amount} to {_name(cast)}{_memo(event.memo)}; {cast.money(event.total)} in all.",
        "us",
        "peer",
        _other(cast),
        f"pays {amount}",
    )


def _received(event: events.VoucherReceived, cast: Cast) -> Telling:
    amount = cast.money(event.amount)
    return Telling(
        f"{_name(cast)} paid us {amount}{_memo(event.memo)}; {cast.money(event.total)} in all.",
        "peer",
        "us",
        _other(cast),
        f"pays {amount}",
    )


def _refused(event: events.VoucherRefused, cast: Cast) -> Telling:
    why = f"{harmless(event.error_code)}: {harmless(event.reason)}"
    return Telling(
        f"We refused the payment {short_bytes(event.payment_id)} ({why}); what we accepted is "
        f"{cast.money(event.accepted_total)}.",
        "us",
        "peer",
        event.peer,
        "payment refused",
    )


def _refusal(event: events.VoucherRefusalReceived, cast: Cast) -> Telling:
    why = f"{harmless(event.error_code)}: {harmless(event.reason)}"
    return Telling(
        f"{cast.person(event.peer)} refused our payment {short_bytes(event.payment_id)} ({why}); "
        f"it accepted {cast.money(event.accepted_total)} so far.",
        "peer",
        "us",
        event.peer,
        "payment refused",
    )


def _resent(event: events.VoucherResent, cast: Cast) -> Telling:
    return Telling(
        f"We sent the refused payment {short_bytes(event.payment_id)} again, with the voucher it "
        f"had ({cast.money(event.total)}).",
        "us",
        "peer",
        _other(cast),
        "pays again",
    )


def _receipt_issued(event: events.ReceiptIssued, cast: Cast) -> Telling:
    count = counted(event.payment_count, "payment")
    return Telling(
        f"We signed a receipt for {count}: {cast.money(event.total)} in all.",
        "us",
        "peer",
        _other(cast),
        "receipt",
    )


def _receipt_received(event: events.ReceiptReceived, cast: Cast) -> Telling:
    count = counted(event.payment_count, "payment")
    return Telling(
        f"{_name(cast)} signed a receipt for {count}: {cast.money(event.total)} in all.",
        "peer",
        "us",
        _other(cast),
        "receipt",
    )


def _listed(event: payment_events.PaymentListed, cast: Cast) -> Telling:
    return Telling(
        f"A list holds the payment {short_bytes(event.payment_id)} of "
        f"{cast.money(event.amount)}{_memo(event.memo)}.",
        is_detail=True,
    )


def _batch_issued(event: payment_events.BatchIssued, cast: Cast) -> Telling:
    count = counted(event.payment_count, "payment")
    return Telling(
        f"We paid {count} to {_name(cast)} under one voucher; {cast.money(event.total)} in all.",
        "us",
        "peer",
        _other(cast),
        f"pays a list of {count}",
    )


def _batch_received(event: payment_events.BatchReceived, cast: Cast) -> Telling:
    count = counted(event.payment_count, "payment")
    return Telling(
        f"{_name(cast)} paid us {count} under one voucher; {cast.money(event.total)} in all.",
        "peer",
        "us",
        _other(cast),
        f"pays a list of {count}",
    )


def _batch_split(event: payment_events.BatchSplit, cast: Cast) -> Telling:
    count = counted(event.payment_count, "payment")
    return Telling(
        f"A list of {count} went out with a voucher for each (request {quoted(event.request_id)}).",
        is_detail=True,
    )


def _voucher_created(event: payment_events.VoucherCreated, cast: Cast) -> Telling:
    amount = cast.money(event.amount)
    return Telling(
        f"We signed a voucher for our owner to hand over, {amount} more{_memo(event.memo)}; "
        f"{cast.money(event.total)} in all.",
        "us",
        "owner",
        None,
        f"voucher for {amount}",
    )


def _voucher_taken(event: payment_events.VoucherTaken, cast: Cast) -> Telling:
    amount = cast.money(event.amount)
    return Telling(
        f"Our owner handed us a voucher that adds {amount}; {cast.money(event.total)} in all.",
        "owner",
        "us",
        None,
        f"hands over {amount}",
    )


# --- ledgers ---


def _change(event: _Update, cast: Cast) -> tuple[str, str]:
    """A ledger's change as a clause and as a label."""
    amount, target = cast.money(event.amount), short_bytes(event.target)
    left, right = (_side(side, cast) for side in (event.left, event.right))
    match event.kind:
        case "add":
            fee = f" for a fee of {cast.money(event.fee)}" if any(event.fee) else ""
            put_in = ""
            if event.left_amount != event.amount:
                put_in = f", {cast.money(event.left_amount)} of it from {left},"
            return (
                f"guarantee {amount}{put_in} for the channel {target}{fee}",
                f"guarantees {amount}",
            )
        case "remove":
            back = cast.money(event.left_amount)
            return (
                f"end the guarantee of {amount} for the channel {target}, {back} of it to {left}",
                f"ends guarantee of {amount}",
            )
        case _ if not any(event.amount):
            return "go on as it stands, by a move of 0", "moves 0, to go on"
        case _:
            return f"move {amount} from {left} to {right}", f"moves {amount}"


def _side(destination: Destination, cast: Cast) -> str:
    if not is_external(destination):
        return short_bytes(destination)
    who = cast.person(address_of_destination(destination))
    return "us" if who == "we" else who


def _ledger(event: _Update, cast: Cast) -> str:
    here = event.channel_id == cast.channel_id
    return "" if here else f" in the ledger {short_bytes(event.channel_id)}"


def _proposed(event: ledger_events.LedgerUpdateProposed, cast: Cast) -> Telling:
    clause, label = _change(event, cast)
    return Telling(
        f"We proposed to {clause} (turn {event.turn_num}{_ledger(event, cast)}).",
        "us",
        "peer",
        _party(event, cast),
        f"{label}, turn {event.turn_num}",
    )


def _update_received(event: ledger_events.LedgerUpdateReceived, cast: Cast) -> Telling:
    clause, label = _change(event, cast)
    leader = _party(event, cast)
    who = "The leader" if leader is None else cast.person(leader)
    return Telling(
        f"{who} proposed to {clause} (turn {event.turn_num}{_ledger(event, cast)}).",
        "peer",
        "us",
        leader,
        f"{label}, turn {event.turn_num}",
    )


def _party(event: _Update, cast: Cast) -> Address | None:
    """The other party of the ledger: the one of the change's two sides that we are not."""
    sides = [side for side in (event.left, event.right) if is_external(side)]
    others = [found for found in map(address_of_destination, sides) if found != cast.me]
    return others[0] if len(others) == 1 else cast.counterparty


def _update_signed(event: ledger_events.LedgerUpdateSigned, cast: Cast) -> Telling:
    return Telling(
        f"We countersigned turn {event.turn_num}: it and all before it are agreed.",
        "us",
        "peer",
        _other(cast),
        f"countersigns turn {event.turn_num}",
    )


def _update_confirmed(event: ledger_events.LedgerUpdateConfirmed, cast: Cast) -> Telling:
    return Telling(
        f"{_name(cast)} countersigned turn {event.turn_num}: it and all before it are agreed.",
        "peer",
        "us",
        _other(cast),
        f"countersigns turn {event.turn_num}",
    )


def _countersignature_seen(event: ledger_events.LedgerCountersignatureSeen, cast: Cast) -> Telling:
    return Telling(
        f"The chain shows that {_name(cast)} countersigned turn {event.turn_num}: it and all "
        "before it are agreed.",
        "chain",
        "us",
        None,
        f"shows turn {event.turn_num} countersigned",
    )


def _update_refused(event: ledger_events.LedgerUpdateRefused, cast: Cast) -> Telling:
    why = f"{harmless(event.error_code)}: {harmless(event.reason)}"
    return Telling(
        f"We refused turn {event.turn_num} for good ({why}).",
        "us",
        "peer",
        _other(cast),
        f"refuses turn {event.turn_num}",
    )


def _refusal_received(event: ledger_events.LedgerRefusalReceived, cast: Cast) -> Telling:
    why = f"{harmless(event.error_code)}: {harmless(event.reason)}"
    return Telling(
        f"{_name(cast)} refused turn {event.turn_num} for good ({why}).",
        "peer",
        "us",
        _other(cast),
        f"refuses turn {event.turn_num}",
    )


def _update_resent(event: ledger_events.LedgerUpdateResent, cast: Cast) -> Telling:
    return Telling(
        f"We proposed turn {event.turn_num} again: the other side had lost it.",
        "us",
        "peer",
        _other(cast),
        f"proposes turn {event.turn_num} again",
    )


def _restored(event: ledger_events.LedgerRestored, cast: Cast) -> Telling:
    return Telling(
        f"{_name(cast)} showed a state of the ledger that both had signed and we had lost.",
        "peer",
        "us",
        _other(cast),
        "shows a lost state",
    )


def _asked(event: ledger_events.LedgerPaymentAsked, cast: Cast) -> Telling:
    amount = cast.money(event.amount)
    return Telling(
        f"We asked the leader to move {amount} of ours to it (request {quoted(event.request_id)}).",
        "us",
        "peer",
        _other(cast),
        f"asks to pay {amount}",
    )


def _wished(event: ledger_events.LedgerPaymentRequested, cast: Cast) -> Telling:
    amount = cast.money(event.amount)
    return Telling(
        f"{_name(cast)} asked us to move {amount} of its own to us (request "
        f"{quoted(event.request_id)}).",
        "peer",
        "us",
        _other(cast),
        f"asks to pay {amount}",
    )


def _wish_refused(event: ledger_events.LedgerPaymentRefused, cast: Cast) -> Telling:
    why = f"{harmless(event.error_code)}: {harmless(event.reason)}"
    return Telling(
        f"We will not propose the move of {cast.money(event.amount)} that was asked for under "
        f"{quoted(event.request_id)} ({why}).",
        "us",
        "peer",
        _other(cast),
        "refuses the payment",
    )


def _wish_refusal(event: ledger_events.LedgerPaymentRefusalReceived, cast: Cast) -> Telling:
    why = f"{harmless(event.error_code)}: {harmless(event.reason)}"
    return Telling(
        f"{_name(cast)} will not propose the move that we asked for under "
        f"{quoted(event.request_id)} ({why}).",
        "peer",
        "us",
        _other(cast),
        "refuses the payment",
    )


MONEY_SENTENCES: dict[type[Event], Sentence] = {
    payment_events.VoucherIssued: _issued,
    payment_events.VoucherReceived: _received,
    payment_events.VoucherRefused: _refused,
    payment_events.VoucherRefusalReceived: _refusal,
    payment_events.VoucherResent: _resent,
    payment_events.ReceiptIssued: _receipt_issued,
    payment_events.ReceiptReceived: _receipt_received,
    payment_events.PaymentListed: _listed,
    payment_events.BatchIssued: _batch_issued,
    payment_events.BatchReceived: _batch_received,
    payment_events.BatchSplit: _batch_split,
    payment_events.VoucherCreated: _voucher_created,
    payment_events.VoucherTaken: _voucher_taken,
    ledger_events.LedgerUpdateProposed: _proposed,
    ledger_events.LedgerUpdateReceived: _update_received,
    ledger_events.LedgerUpdateSigned: _update_signed,
    ledger_events.LedgerUpdateConfirmed: _update_confirmed,
    ledger_events.LedgerCountersignatureSeen: _countersignature_seen,
    ledger_events.LedgerUpdateRefused: _update_refused,
    ledger_events.LedgerRefusalReceived: _refusal_received,
    ledger_events.LedgerUpdateResent: _update_resent,
    ledger_events.LedgerRestored: _restored,
    ledger_events.LedgerPaymentAsked: _asked,
    ledger_events.LedgerPaymentRequested: _wished,
    ledger_events.LedgerPaymentRefused: _wish_refused,
    ledger_events.LedgerPaymentRefusalReceived: _wish_refusal,
}
"""By event: what it says of a payment or a ledger."""
