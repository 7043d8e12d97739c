"""What happened in one run: a file of JSON lines, enough to judge it again at any time.

| line | what it says |
| --- | --- |
| `catalogue` | which domain was run, and under which ids its schemas stand |
| `sent`, `acknowledged` | a publisher gave a record to its client; the log confirmed it, and where |
| `appended` | a read_committed reader found it in a source's or an internal topic: place, append time, bytes |
| `delivered` | the same of a feed's topic, with the digest that the ledger has of it |
| `leaf` | a leaf of the ledger: how many records of which feed, and their digests |
| `dead` | the same of a dead-letter topic: of which record, and why |
| `aborted` | Kafka's own files say that these offsets belong to a transaction that was aborted |
| `committed` | the group's offset of a partition was set, in the order in which it was |
| `account` | what the lanes say became of a topic's records in a feed |
| `fault`, `served` | what was done to whom; every slice has committed again after it |
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass
class History:
    """The lines, in the order in which they were noted; several threads may note."""

    events: list[Event] = field(default_factory=list)

    def note(self, event: str, **what: Any) -> None:
        self.events.append({"event": event, **what})

    def of(self, event: str) -> Iterator[Event]:
        """The lines of one kind."""
        return (one for one in self.events if one["event"] == event)

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt", compresslevel=3) as file:
            file.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in self.events)

    @classmethod
    def read(cls, path: Path) -> History:
        with gzip.open(path, "rt") as file:
            return cls([json.loads(line) for line in file])
