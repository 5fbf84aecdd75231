"""What the books must say of a node: the same as its state, reckoned from the state alone."""

from __future__ import annotations

from node.books import Books
from node.books.entry import channel_account, guarantee_account
from protocols.channel import Channel, confirmed_holdings, funding_terms, is_withdrawn
from protocols.ledger import balance_total
from protocols.node_state import NodeState
from tests.support.builders import CONSENSUS_APP

PARTS = ("ours", "theirs", "surplus", "leaving")


def differences(books: Books, state: NodeState) -> list[str]:
    """Every way in which the books and the state disagree."""
    found = []
    for asset, accounts in books.balances.items():
        if sum(accounts.values()):
            found.append(f"accounts in {asset.hex()} do not sum to zero: {accounts}")
    for channel_id in state.channels:
        channel = state.channels[channel_id]
        if channel.turns:
            found += _of_channel(books, state, channel)
    return found


def own_accounts(books: Books, channel: Channel) -> dict[str, int]:
    """What the channel's own accounts hold."""
    asset, channel_id = funding_terms(channel).asset, channel.channel_id
    return {part: books.balance(asset, channel_account(channel_id, part)) for part in PARTS}


def _of_channel(books: Books, state: NodeState, channel: Channel) -> list[str]:
    asset, name = funding_terms(channel).asset, channel.channel_id.hex()[:8]
    own = own_accounts(books, channel)
    if channel.virtual is not None:
        return [f"{name} is virtual and holds {own}"] if any(own.values()) else []
    held, guaranteed, found = confirmed_holdings(channel, asset), 0, []
    if channel.ledger is not None:
        vars_ = channel.ledger.current
        ours, theirs = vars_.leader, vars_.follower
        if channel.my_index:
            ours, theirs = theirs, ours
        is_over = is_withdrawn(channel)
        if held and not is_over and (own["ours"], own["theirs"]) != (ours, theirs):
            found.append(f"ledger {name}: {own}, the state says {ours} and {theirs}")
        for guarantee in vars_.guarantees:
            pair = (channel.channel_id, guarantee.target)
            inside = [
                books.balance(asset, guarantee_account(*pair, part)) for part in ("ours", "theirs")
            ]
            guaranteed += sum(inside)
            if sum(inside) != guarantee.amount:
                found.append(f"ledger {name}: guarantee {inside} of {guarantee.amount}")
            found += _of_guaranteed(state, guarantee.target, inside)
        assert balance_total(vars_) == funding_terms(channel).total
    elif channel.fixed.app_definition != CONSENSUS_APP:
        found += _of_payments(channel, own, held)
    if sum(own.values()) + guaranteed != held:
        found.append(f"{name} holds {held}, the books {own} and {guaranteed} guaranteed")
    return found


def _of_payments(channel: Channel, own: dict[str, int], held: int) -> list[str]:
    terms = funding_terms(channel)
    if held < terms.total or channel.chain_status != "open":
        return []
    paid = channel.vouchers.total
    shares = [terms.total - paid, paid]
    if channel.my_index:
        shares.reverse()
    if [own["ours"], own["theirs"]] != shares and channel.supported_turn <= 1:
        return [f"{channel.channel_id.hex()[:8]}: {own}, paid {paid} of {terms.total}"]
    return []


def _of_guaranteed(state: NodeState, target: bytes, inside: list[int]) -> list[str]:
    virtual = state.channels.get(target)
    if virtual is None or not virtual.is_end or virtual.supported_turn > 1:
        return []
    paid = virtual.vouchers.total
    expected = paid if virtual.my_index else funding_terms(virtual).total - paid
    if inside[0] != expected:
        return [f"{target.hex()[:8]}: ours in its guarantee {inside[0]}, not {expected}"]
    return []
