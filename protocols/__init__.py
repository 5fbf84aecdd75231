"""Tallystick's pure core: what is agreed, signed and recorded. No IO, clock or randomness.

`crank(state, input, context)` decides, `apply(state, event, time_ms)` remembers; the shell (node)
does the rest. The words, each with the module that defines it:

channel        its participants, a nonce, an app and a challenge duration, with what was signed in
               it, what the chain holds for it and what was paid: `channel.Channel`
state          the thing that gets signed, and nothing else: `state.State`. Memory is `NodeState`
turn           the number of a state: prefund 0, postfund 1, redemption 2, final from 3 on
outcome        who gets what if a state is the last; its shares are allocations: `outcome`
supported      a state with all signatures that its turn needs: `channel.is_supported`
holdings       what the adjudicator contract has of the channel's money: `channel.Holding`
voucher        the payer's signature over all that she owes so far; the largest counts: `voucher`
receipt        the payee's signature over the payments it accepted: `payments`
batch          payments made together, as a rule under one voucher, taken whole or not: `batches`
ledger         a channel of two that carries others; its leader, participant 0, proposes each change
               and its follower countersigns or refuses: `ledger` the values, `ledgers` the talk
guarantee      an amount of a ledger that belongs to another channel, its target: `ledger`
virtual        of a payment channel: each ledger of its path guarantees it: `virtual_paths`
hub            who stands between payer and payee of a virtual channel; left is nearer to the payer.
               Its fee and its limits: `hub`
inverse        the change that undoes a refused one exactly: `ledger.inverse`
unwinding      taking back the guarantees of a channel that never opened, from right to left, after
               who stands right renounced the postfund for ever: `objectives.unwinding`
quote          what the hops of a path would take; it binds nobody and is no fact: `routes`
exit value     what a party gets if it leaves now, whatever the others do: `exit_value`
cut tail       the end of the log is lost: its channels are close-only, and what peers know is heard
objective      a goal run to its end by cranking: `objectives`
crank          all progress that is possible now, from one input: `crank.crank`; what peers say
               comes through `peer_messages`, and of objectives there is `objectives.cranks`
waiting for    the objective's first unmet condition, computed and never stored: `WaitingFor`
input          all that can come in: a command, a message, a chain fact, time: `inputs`
event          what became a fact; folded by `node_state.apply`, kept forever: `events`
entity         a channel, an objective, a peer ... as the node holds it: `entities.NodeState`
effect         what must be done in the world, as data: `effects`
draft          a crank's working copy of the state: `draft.Draft`
delivery       the numbering and acknowledging of messages between two peers: `delivery`
observed       seen on chain at depth 0: defence acts on it; confirmed: money counts on it
refusal        an expected error, which is data: `errors.ProtocolError`; the rest is a bug
"""
