"""Random lanes: an event, feeds on it, records with every kind of defect, and how they are cut and interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Any

from hypothesis import strategies as st
from tests.property.conditions import conditions, operands
from tests.property.schemas import event_fields, foreign_types, values

from gebus.model.catalogue import Catalogue
from gebus.model.event import ENVELOPE, EventSchema
from gebus.model.feed import Feed, SelectedField
from gebus.model.mask import mask_of, type_needed
from gebus.model.topic import TopicContract
from gebus.testing import build
from gebus.testing.clock import START_MS
from gebus.testing.oracle_policy import OracleMode

DAY_MS = 86_400_000
PARTIES = ("jd", "tmall")

_AUTHOR_MASKS: list[Any] = [
    "null",
    "token",
    "drop",
    {"fixed": "hidden"},
    {"partial": {"first": 1, "last": 2}},
    {"partial": {"first": 0, "last": 0}},
    {"generalise": {"division": "city"}},
    {"generalise": {"date": "year"}},
    {"generalise": {"instant": "month"}},
    {"generalise": {"band": 100}},
    {"generalise": {"division": "parent"}},
    {"generalise": {"grid": 6}},
]


@dataclass(frozen=True)
class Sent:
    """One record on its way: what a publisher put into the log."""

    key: bytes | None
    value: bytes | None
    party: str
    at_ms: int
    partition: int | None


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """One contract, one event, one to four feeds."""
    event = build.event_schema("Report", draw(event_fields()))
    contract = build.topic_contract(
        key=draw(st.sampled_from([("entity_id",), ("entity_id", "source"), ("revision",)])),
        partitions=draw(st.integers(2, 3)),
        event_time={"past": "2d", "future": "1h"},
    )
    feeds = [draw(_feed(event, contract, f"feed-{index}")) for index in range(draw(st.integers(1, 4)))]
    policy = draw(st.one_of(st.just(build.default_policy()), _policies()))
    periods = st.sampled_from(["always", "year", "quarter", "month", "day"])
    tokens = build.token_rules(draw(periods), draw(st.sampled_from(["sha-256", "sm3"])))
    return build.catalogue(event, feeds, contract, policy, tokens=tokens)


@st.composite
def emergencies(draw: st.DrawFn) -> list[OracleMode]:
    """None to three modes, which may overlap in place and time."""
    begins = st.one_of(st.integers(0, 20), st.integers(0, 3 * DAY_MS))
    modes = []
    for number in range(draw(st.integers(0, 3))):
        since_ms = START_MS + draw(begins)
        prefix = draw(st.sampled_from(["", "4", "42", "420106", "11"]))
        modes.append(OracleMode(f"m{number}", prefix, since_ms, since_ms + 1 + draw(begins)))
    return modes


@st.composite
def _policies(draw: st.DrawFn) -> Any:
    cells = [
        (level, kind, tier) for level in (1, 2, 3, 4) for kind in ("direct", "quasi", "none") for tier in (1, 2, 3, 4)
    ]
    outcomes = st.sampled_from(["pass", "mask", "token", "generalise", "drop", None])
    both = [
        [(*cell, outcome) for cell, outcome in zip(cells, drawn, strict=True) if outcome]
        for drawn in (draw(st.lists(outcomes, min_size=len(cells), max_size=len(cells))) for _ in range(2))
    ]
    return build.policy_list(both[0], emergency=both[1] if draw(st.booleans()) else ())


@st.composite
def _feed(draw: st.DrawFn, event: EventSchema, contract: TopicContract, name: str) -> Feed:
    keys = st.sampled_from([["event_id"], list(contract.key), ["event_id", "revision"]])
    windows = st.sampled_from(["1d", "1d", "8h", "7ms"])
    pool = operands(event.avro["fields"])
    steps: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            part = {"name": f"once-{number}", "of": "e", "key": draw(keys), "within": draw(windows)}
            steps.append({"deduplicate": part})
        else:
            steps.append({"where": {"name": f"cut-{number}", "when": draw(conditions(pool, depth=2))}})
    steps.append({"select": {"name": "out", "fields": draw(_selection(event))}})
    expires = date(2020, 2, 1) + timedelta(days=draw(st.sampled_from([1, 2, 400])))
    grant = {"basis": "a test", "approved_by": "jd", "approved_on": "2020-01-01", "expires_on": expires.isoformat()}
    mode = draw(st.sampled_from(["any", "any", "normal", "emergency"]))
    corrections = draw(st.sampled_from(["independent", "follow"])) if _can_follow(steps) else "independent"
    return build.feed(steps, name=name, tier=draw(st.integers(1, 4)), grant=grant, mode=mode, corrections=corrections)


def _can_follow(steps: list[dict[str, Any]]) -> bool:
    """A correction must not look like a repeat of what it corrects."""
    keys = [step["deduplicate"]["key"] for step in steps if "deduplicate" in step]
    return all({"event_id", "revision"} & set(key) for key in keys)


@st.composite
def _selection(draw: st.DrawFn, event: EventSchema) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    for index, field in enumerate(draw(st.lists(st.sampled_from(event.fields), min_size=1, max_size=6))):
        fitting = [mask for mask in _AUTHOR_MASKS if _fits(mask, field.plain_type)]
        mask = draw(st.sampled_from([None, None, *fitting]))
        chosen[f"out{index}"] = f"e.{field.name}" if mask is None else {"of": f"e.{field.name}", "mask": mask}
    return chosen


def _fits(choice: Any, avro: Any) -> bool:
    return type_needed(mask_of(SelectedField.model_validate({"of": "e.x", "mask": choice}).mask), avro) is None


@st.composite
def records(draw: st.DrawFn, event: EventSchema) -> dict[str, Any]:
    """A record that is mostly good: ids repeat, instants lie around the start, defects are there."""
    rarely = st.integers(0, 19).map(lambda number: number == 0)
    record = {
        "event_id": draw(st.sampled_from(["e1", "e2", "e3", "事件"])) if not draw(rarely) else draw(_BAD_IDS),
        "entity_id": draw(st.sampled_from(["shop", "店|1", "a\\b"])),
        "revision": draw(st.integers(0, 2)) if not draw(rarely) else -1,
        "status": draw(st.sampled_from(["ASSERTED", "CORRECTED", "RETRACTED"])) if not draw(rarely) else "MAYBE",
        "occurred_at": START_MS + draw(st.integers(-DAY_MS, DAY_MS)) if not draw(rarely) else draw(_BAD_INSTANTS),
        "published_at": draw(st.sampled_from([START_MS, 0, -1, 2**63 - 1])),
        "source": draw(st.sampled_from(PARTIES)),
        "region": draw(st.sampled_from(["420100", "110101000000"])) if not draw(rarely) else draw(_BAD_REGIONS),
    }
    for field in event.avro["fields"][len(ENVELOPE) :]:
        record[field["name"]] = draw(values(field["type"]))
    return record


_BAD_IDS = st.sampled_from(["", "x" * 257, "口" * 86])
_BAD_REGIONS = st.sampled_from(["", "42010", "4201001234567", "42010a", "４２０１００"])
_BAD_INSTANTS = st.sampled_from([START_MS - 4 * DAY_MS, START_MS + 4 * DAY_MS, -(2**63), 2**63 - 1])


@st.composite
def foreign_schema(draw: st.DrawFn, event: EventSchema) -> Any:
    """A schema that a publisher writes with and that the source's can read.

    Its fields are in another order; there are more, of any Avro type; some are narrower than the source's, and some
    that have a default are missing.
    """
    names = count(1000)
    fields = []
    for field in event.avro["fields"]:
        narrower = [None] if "default" in field else []
        narrower += _NARROWER.get(field["type"], []) if isinstance(field["type"], str) else []
        narrower += [field["type"][1]] if isinstance(field["type"], list) else []
        avro = field["type"] if field["name"] in ENVELOPE else draw(st.sampled_from([field["type"], *narrower]))
        if avro is not None:
            fields.append({"name": field["name"], "type": avro})
    extra = draw(st.lists(foreign_types(names), min_size=1, max_size=3))
    fields += [{"name": f"y{index}", "type": avro} for index, avro in enumerate(extra)]
    return {"type": "record", "name": event.name, "fields": list(draw(st.permutations(fields)))}


_NARROWER: dict[str, list[Any]] = {"long": ["int"], "float": ["int", "long"], "double": ["int", "long", "float"]}
