"""Writer schemas that the kernel does not know yet, asked of the registry beside the loop, and pinned once learnt."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from gebus_kernel import Kernel

from gebus.lanes.backoff import Backoff
from gebus.lanes.ports import Clock
from gebus.lanes.settings import LaneSettings
from gebus.model.errors import GebusError, NotFound

_log = logging.getLogger(__name__)


class Registry(Protocol):
    """The part of gebus.kafka.registry.Registry that lanes call."""

    def schema_by_id(self, id: int) -> str: ...  # noqa: A002 - the registry's own word
    def subjects_of(self, id: int) -> frozenset[str]: ...  # noqa: A002 - the registry's own word


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """What an id stands for in the records of an input: a schema, or the reason why they are dead letters."""

    source: str
    id: int
    schema: str | None
    refused: str = ""

    def teach(self, kernel: Kernel) -> None:
        """Tell the kernel. A schema that does not resolve to the source's is refused like a foreign one."""
        if self.schema is None:
            kernel.refuse_schema(self.source, self.id, self.refused)
            return
        try:
            kernel.add_writer_schema(self.source, self.id, self.schema)
        except ValueError as error:
            _log.error("schema id %d cannot be read as %s: %s", self.id, self.source, error)
            kernel.refuse_schema(self.source, self.id, "incompatible_schema")


@dataclass(slots=True)
class _Question:
    backoff: Backoff
    due: float
    answer: Future[WriterSchema] | None = None


class WriterSchemas:
    """Asks for schema ids without keeping the loop waiting, and remembers every answer for the life of the process.

    Promised: an id keeps the meaning that it had first, whatever the registry says later; a registry that is down is
    asked again, ever less often; one answer is waited for at a time. Not promised: when an answer comes.
    """

    def __init__(
        self, registry: Registry, clock: Clock, settings: LaneSettings, contracts: Mapping[str, str] | None = None
    ) -> None:
        """`contracts` names the topic contract of each input that is called otherwise."""
        self._registry, self._clock, self._settings = registry, clock, settings
        self._contracts = contracts or {}
        self._asking = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writer-schemas")
        self._pinned: dict[tuple[str, int], WriterSchema] = {}
        self._open: dict[tuple[str, int], _Question] = {}

    @property
    def pinned(self) -> Mapping[tuple[str, int], WriterSchema]:
        """What every id asked so far stands for."""
        return self._pinned

    @property
    def pending(self) -> bool:
        return bool(self._open)

    def ask(self, source: str, schema_id: int) -> None:
        """Want to know an id; asking again changes nothing."""
        key = (source, schema_id)
        if key not in self._pinned and key not in self._open:
            backoff = Backoff(self._settings.lookup_backoff, self._settings.lookup_backoff_ceiling)
            self._open[key] = _Question(backoff, self._clock.monotonic())

    def learn(self, learnt: WriterSchema) -> None:
        """Take in an id that was learnt elsewhere; what is pinned already stays."""
        self._pinned.setdefault((learnt.source, learnt.id), learnt)

    def answers(self) -> Iterator[WriterSchema]:
        """What has been learnt since the last call."""
        for key, question in list(self._open.items()):
            if question.answer is None:
                if question.due <= self._clock.monotonic():
                    question.answer = self._asking.submit(self._look_up, *key)
                continue
            if not question.answer.done():
                continue
            try:
                learnt = question.answer.result()
            except GebusError as error:
                delay = question.backoff.next()
                _log.warning(
                    "schema id %d of %s is not known yet: %s; next try in %.1f s", key[1], key[0], error, delay
                )
                question.answer, question.due = None, self._clock.monotonic() + delay
                continue
            del self._open[key]
            self._pinned[key] = learnt
            yield learnt

    def close(self) -> None:
        """Ask no more; does not wait for an answer under way."""
        self._asking.shutdown(wait=False, cancel_futures=True)

    def _look_up(self, source: str, schema_id: int) -> WriterSchema:
        subjects = self._registry.subjects_of(schema_id)
        if not subjects:
            return WriterSchema(source, schema_id, None, "unregistered_schema")
        if f"{self._contracts.get(source, source)}-value" not in subjects:
            return WriterSchema(source, schema_id, None, "foreign_schema")
        try:
            return WriterSchema(source, schema_id, self._registry.schema_by_id(schema_id))
        except NotFound:
            return WriterSchema(source, schema_id, None, "unregistered_schema")
