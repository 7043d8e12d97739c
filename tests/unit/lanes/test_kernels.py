"""A kernel ready to work: plans compiled, ids of feeds and sources learnt, token keys set."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.lanes.conftest import OUTPUT, FakeRegistry, lane_plan, with_feed
from tests.unit.lanes.fake_kernel import FakeKernel

from gebus.kafka.registry import Version
from gebus.lanes.kernels import Kernels
from gebus.lanes.places import Lanes
from gebus.lanes.ports import SystemClock
from gebus.lanes.schemas import WriterSchemas
from gebus.lanes.settings import LaneSettings
from gebus.lanes.token_keys import token_key
from gebus.model.errors import NotFound, PlanError, Unavailable

OLDER: dict[str, Any] = {**OUTPUT, "fields": [{"name": "a", "type": "long"}]}
MASTER = bytes(32)


@dataclass
class Subjects:
    """A registry of versions."""

    held: dict[str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    down: bool = False

    def versions(self, subject: str) -> list[int]:
        self.asked.append(subject)
        if self.down:
            raise Unavailable("the registry does not answer")
        if subject not in self.held:
            raise NotFound(f"no subject {subject}")
        return list(range(1, len(self.held[subject]) + 1))

    def version(self, subject: str, version: int) -> Version:
        schema_id, schema = self.held[subject][version - 1]
        return Version(subject, version, schema_id, json.dumps(schema))


def kernels(registry: Subjects, compiled: list[Sequence[str]] | None = None) -> Kernels:
    def compile_plans(plans: Sequence[str]) -> Any:
        if compiled is not None:
            compiled.append(plans)
        return FakeKernel()

    schemas = WriterSchemas(FakeRegistry(), SystemClock(), LaneSettings())
    return Kernels(Lanes([with_feed(lane_plan())]), compile_plans, registry, schemas, MASTER)


def good() -> Subjects:
    return Subjects({"feed.cdc.masks-value": [(5, OLDER), (6, OUTPUT)], "a.b-value": [(1, OUTPUT), (2, OUTPUT)]})


def test_a_kernel_knows_its_feeds_and_every_version_of_its_sources() -> None:
    compiled: list[Sequence[str]] = []
    kernel = kernels(good(), compiled).new()
    assert json.loads(compiled[0][0])["lane"] == "a.b"
    assert kernel.feed_ids == {"cdc/masks": 6}  # type: ignore[attr-defined]
    assert kernel.token_keys == {"cdc/masks": token_key(MASTER, "cdc", "tracing")}  # type: ignore[attr-defined]
    assert kernel.schemas == {1: "known", 2: "known"}  # type: ignore[attr-defined]


def test_the_version_that_is_delivered_is_found_however_the_registry_writes_it() -> None:
    registry = good()
    written = {"type": "record", "name": "x.Out", "doc": "!", "fields": []}
    registry.held["feed.cdc.masks-value"] = [(7, written), (8, OLDER)]
    assert kernels(registry).new().feed_ids == {"cdc/masks": 7}  # type: ignore[attr-defined]


def test_what_was_learnt_once_is_not_asked_again() -> None:
    registry = good()
    made = kernels(registry)
    made.new()
    registry.down = True
    assert made.new().feed_ids == {"cdc/masks": 6}  # type: ignore[attr-defined]


def test_a_registry_that_is_down_at_the_start_is_tried_again() -> None:
    registry = good()
    registry.down = True
    made = kernels(registry)
    with pytest.raises(Unavailable) as raised:
        made.new()
    assert raised.value.retriable
    registry.down = False
    assert made.new().feed_ids == {"cdc/masks": 6}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("subject", "versions", "message"),
    [
        ("feed.cdc.masks-value", None, "feed cdc/masks: the registry has no subject feed.cdc.masks-value; run `gebus"),
        ("feed.cdc.masks-value", [(5, OLDER)], "no version of feed.cdc.masks-value is what the"),
        ("a.b-value", None, "source a.b: no subject a.b-value; run `gebus apply`"),
    ],
)
def test_a_catalogue_that_was_not_applied_is_said_so(
    subject: str, versions: list[tuple[int, dict[str, Any]]] | None, message: str
) -> None:
    registry = good()
    if versions is None:
        del registry.held[subject]
    else:
        registry.held[subject] = versions
    with pytest.raises(NotFound, match=message):
        kernels(registry).new()
    made = kernels(registry)
    kernel = made.new(partly=True)
    (said,) = made.missing(kernel).items()
    assert said[0] == "a.b"
    assert re.search(message, said[1])
    registry.held = good().held  # `gebus apply` ran
    assert made.missing(kernel) == {}
    assert kernel.feed_ids == {"cdc/masks": 6}  # type: ignore[attr-defined]


def test_a_plan_that_the_kernel_refuses_is_named() -> None:
    def refuse(_: Sequence[str]) -> Any:
        raise ValueError("lane a.b: no such field")

    schemas = WriterSchemas(FakeRegistry(), SystemClock(), LaneSettings())
    with pytest.raises(PlanError, match=r"the kernel refuses it: lane a.b: no such field"):
        Kernels(Lanes([lane_plan()]), refuse, good(), schemas, MASTER).new()
