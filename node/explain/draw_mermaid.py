"""A sequence diagram as Mermaid text, which many sites and editors draw."""

from __future__ import annotations

from node.explain.diagram import Diagram, Lifeline

_ENTITIES = {
    "#": "#35;",
    ";": "#59;",
    "<": "#lt;",
    ">": "#gt;",
    '"': "#quot;",
    "%": "#37;",
    "{": "#123;",
    "}": "#125;",
}
"""What means something else to Mermaid, or to the page it is drawn on."""


def draw_mermaid(diagram: Diagram) -> str:
    """The diagram in Mermaid's language."""
    names = {line.key: f"p{place}" for place, line in enumerate(diagram.lifelines)}
    lines = ["sequenceDiagram", f"    title {_escaped(diagram.title)}"]
    lines += [f"    participant {names[line.key]} as {_shown(line)}" for line in diagram.lifelines]
    for row in diagram.rows:
        source, label = names[row.source], _escaped(row.label)
        if row.target is None:
            lines.append(f"    Note over {source}: {row.seq} {label}")
            continue
        seqs = f"{row.seq}-{row.last_seq}" if row.is_run else str(row.seq)
        lines.append(f"    {source}->>{names[row.target]}: {seqs} {label}")
    ends = ",".join(dict.fromkeys((names[diagram.lifelines[0].key], list(names.values())[-1])))
    lines += [f"    Note over {ends}: {_escaped(note)}" for note in diagram.notes]
    return "\n".join(lines) + "\n"


def _shown(line: Lifeline) -> str:
    return _escaped(f"{line.name} ({line.role})" if line.role else line.name)


def _escaped(text: str) -> str:
    return "".join(_ENTITIES.get(letter, letter) for letter in text)
