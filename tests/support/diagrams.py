"""Diagrams with everything that may go wrong in a picture."""

from msgspec.structs import replace

from node.explain.diagram import Diagram, Lifeline, Row

NASTY = '</text><script>&"; %% {x} # \u2014'
PEER = "0xBBB6bEc1a1BdA8F4A4e9e3C2Db5e4F6bD1b11D94"
LINES = [
    Lifeline("owner", "our owner", ""),
    Lifeline("us", "this node", "payer"),
    Lifeline(PEER, "0xBBB6…1D94", "payee"),
    Lifeline("chain", "chain", ""),
]
ROWS = [
    Row("owner", "us", "asks to open", 2, 2, 1_704_067_200_000, False),
    Row("us", None, f"signs {NASTY}", 3, 3, 1_704_067_200_000, False),
    Row("us", PEER, f"sends {NASTY}", 4, 4, 1_704_067_200_000, False),
    Row("chain", "us", "1 ETH deposited, block 101", 18, 18, 1_704_067_201_000, False),
    Row("us", PEER, "1,240 payments, 12.4 ETH", 31, 2_510, 1_704_067_202_000, True),
    Row("chain", PEER, "x" * 300, 2_600, 2_600, 1_704_067_203_000, False),
]
DIAGRAM = Diagram("Direct channel 0x1234…abcd, 1 ETH", f"It is open; {NASTY}.", LINES, ROWS)
CUT = replace(DIAGRAM, notes=[f"It begins {NASTY}", "It ends before record 9"], next_seq=9)
ALONE = Diagram("Channel", "It is forgotten.", [Lifeline("us", "this node", "")], [])
