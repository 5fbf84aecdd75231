"""Write tests/golden/events/NAME.json for events that have no golden file yet.

    python -m tests.golden.write_events

A golden file is written once, when its event is first released, and never again: it is what keeps
old logs readable. Delete one by hand only for an event that was never released.
"""

import json
import sys
from pathlib import Path

from node.store.record import encode_record
from protocols.event_codec import EVENTS, canonical_json, event_id, json_payload
from protocols.events import Event
from tests.support.event_samples import SAMPLE_TIME_MS, sample

FOLDER = Path(__file__).parent / "events"
SEQ = 7
CAUSE_SEQ = 3


def golden(event: Event) -> dict[str, object]:
    """What is kept of one event: its record's bytes, its canonical JSON and its id."""
    payload = json_payload(event, event.VERSION, SAMPLE_TIME_MS)
    return {
        "name": event.NAME,
        "version": event.VERSION,
        "fields": list(event.__struct_fields__),
        "record": encode_record(SEQ, SAMPLE_TIME_MS, CAUSE_SEQ, event).hex(),
        "canonical_json": canonical_json(payload).decode(),
        "event_id": "0x" + event_id(event.NAME, payload).hex(),
    }


def main() -> None:
    """Write what is missing and name it."""
    FOLDER.mkdir(exist_ok=True)
    for name, event_class in EVENTS.items():
        file = FOLDER / f"{name}.json"
        if not file.exists():
            text = json.dumps(golden(sample(event_class)), indent=2, ensure_ascii=False)
            file.write_text(text + "\n", encoding="utf-8")
            sys.stdout.write(f"{file.name}\n")


if __name__ == "__main__":
    main()
