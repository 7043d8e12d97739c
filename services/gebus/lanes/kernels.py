"""A kernel ready to work: plans compiled, token keys, feed schemas and the writer schemas learnt so far given to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from fastavro.schema import to_parsing_canonical_form
from gebus_kernel import Kernel

from gebus.kafka.registry import Version
from gebus.lanes.places import Lanes
from gebus.lanes.schemas import WriterSchema, WriterSchemas
from gebus.lanes.token_keys import token_key
from gebus.model.errors import NotFound, PlanError
from gebus.model.event import AvroType
from gebus.plan import InputPlan, LanePlan


class SubjectVersions(Protocol):
    """The part of gebus.kafka.registry.Registry that is asked for the versions of a subject."""

    def versions(self, subject: str) -> list[int]: ...
    def version(self, subject: str, version: int) -> Version: ...


class Kernels:
    """Makes the kernel of each session."""

    def __init__(
        self,
        lanes: Lanes,
        compile_plans: Callable[[Sequence[str]], Kernel],
        registry: SubjectVersions,
        schemas: WriterSchemas,
        master_secret: bytes,
    ) -> None:
        self._lanes, self._compile, self._registry = lanes, compile_plans, registry
        self._schemas, self._master = schemas, master_secret
        self._ids: dict[str, int] = {}
        self._sources_known: set[str] = set()

    def new(self, *, partly: bool = False) -> Kernel:
        """A kernel without any state. Unavailable while a feed's schema id is not known and the registry is down.

        NotFound where the registry has not all that the lanes need; with `partly` only the lanes that `missing` names
        cannot be worked on.
        """
        try:
            kernel = self._compile([plan.to_kernel() for plan in self._lanes.plans])
        except ValueError as error:
            raise PlanError("a lane's plan", f"the kernel refuses it: {error}") from error
        for plan in self._lanes.plans:
            for feed in plan.feeds:
                kernel.set_token_key(feed.name, token_key(self._master, feed.consumer, feed.purpose))
        missing = self.missing(kernel)
        if missing and not partly:
            raise NotFound(next(iter(missing.values())))
        for learnt in self._schemas.pinned.values():
            learnt.teach(kernel)
        return kernel

    def missing(self, kernel: Kernel) -> Mapping[str, str]:
        """What the registry does not have of each lane that it has not all of; what it has is told to the kernel."""
        found: dict[str, str] = {}
        for plan in self._lanes.plans:
            for feed in plan.feeds:
                self._set_id(kernel, plan, found, feed.name, (f"feed {feed.name}", feed.topic, feed.output_schema))
            for rekey in plan.rekeys:
                source = plan.inputs[rekey.source]
                about = f"rekey {rekey.name}", source.contract, source.schema
                self._set_id(kernel, plan, found, rekey.name, about)
            for source in plan.inputs:
                try:
                    self._learn(source)
                except NotFound as error:
                    found.setdefault(plan.name, str(error))
        return found

    def _set_id(
        self, kernel: Kernel, plan: LanePlan, missing: dict[str, str], name: str, about: tuple[str, str, AvroType]
    ) -> None:
        try:
            kernel.set_feed_schema(name, self._id_of(*about))
        except NotFound as error:
            missing.setdefault(plan.name, str(error))
            kernel.set_feed_schema(name, 0)  # the kernel wants one of every lane; this lane delivers nothing

    def _learn(self, source: InputPlan) -> None:
        """The writer schemas that the registry knows by now, so that no partition waits for one of them."""
        if source.name in self._sources_known:
            return
        subject = f"{source.contract}-value"
        try:
            versions = [self._registry.version(subject, number) for number in self._registry.versions(subject)]
        except NotFound as error:
            raise NotFound(f"source {source.contract}: {error}; run `gebus apply`") from error
        for version in versions:
            self._schemas.learn(WriterSchema(source.name, version.id, version.schema))
        self._sources_known.add(source.name)

    def _id_of(self, who: str, topic: str, schema: AvroType) -> int:
        """The id that stands before records of this schema, which `who` writes."""
        if who not in self._ids:
            self._ids[who] = self._registered(who, f"{topic}-value", schema)
        return self._ids[who]

    def _registered(self, who: str, subject: str, schema: AvroType) -> int:
        """The id of the newest version that is this schema.

        Compared in canonical form: a registry may write the same schema differently.
        """
        try:
            numbers = self._registry.versions(subject)
        except NotFound as error:
            raise NotFound(f"{who}: the registry has no subject {subject}; run `gebus apply`") from error
        wanted = to_parsing_canonical_form(schema)
        for number in reversed(numbers):
            version = self._registry.version(subject, number)
            if to_parsing_canonical_form(json.loads(version.schema)) == wanted:
                return version.id
        raise NotFound(f"{who}: no version of {subject} is what the catalogue delivers now; run `gebus apply`")
