"""What if: assumed inputs folded on a copy of the node's state, with no key within reach.

`Simulation` is the copy; `assumptions` says what may be assumed, `worth` what each party would have
if it left. Nothing here reads a clock, a file or a socket, signs, or sends.
"""
