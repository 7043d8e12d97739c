"""What the lanes say on standard error: their own messages; a client's only where they say more than ours do."""

from __future__ import annotations

import logging
import math
import sys


def log_to_stderr(who: str = "") -> None:
    """Let this process's messages say when, how grave, and with `who` from which slot and part they come."""
    origin = f" {who} %(name)s:" if who else ""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(OnceInAWhile())
    handler.addFilter(raised_as_well)
    logging.basicConfig(handlers=[handler], level=logging.INFO, format=f"%(asctime)s %(levelname)s{origin} %(message)s")
    # What goes wrong there is raised as an error of gebus as well, which says what to do.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def raised_as_well(record: logging.LogRecord) -> bool:
    """Not what is fatal for a client of Kafka: it ends the session, which says so in our words, and how grave it is."""
    return not (record.name == "gebus.kafka.lane_clients" and record.getMessage().startswith("FATAL "))


class OnceInAWhile(logging.Filter):
    """Lets the same message through once in ten seconds: a client whose broker is gone says so hundreds of times."""

    _SECONDS = 10.0
    _MESSAGES = 1_000

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        said = (record.name, record.getMessage())
        fresh = record.created - self._said.get(said, -math.inf) >= self._SECONDS
        if fresh:
            if len(self._said) >= self._MESSAGES:
                self._said.clear()
            self._said[said] = record.created
        return fresh
