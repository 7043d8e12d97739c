"""A catalogue in memory, from plain values: what a test of planner, kernel or lane begins with.

Promised: the models, as the catalogue's reader makes them. Not promised: its checks; a value that `gebus check` would
refuse may pass here, so that tests can say what happens then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gebus.model.catalogue import Catalogue, CodeEntry, CodeList
from gebus.model.event import ENVELOPE, EventField, EventSchema, Mask
from gebus.model.feed import Feed
from gebus.model.topic import TopicContract
from gebus.policy import COMBINATION_LIST, POLICY_LIST, TOKEN_LIST

_KINDS = ("direct", "quasi", "none")


def event_schema(name: str, fields: Iterable[Mapping[str, Any]], namespace: str = "gebus.test") -> EventSchema:
    """The envelope and then `fields`, each the JSON of an Avro field.

    `classification` and `identifies` may be left out (1, none); `masked` and `generalised` are Mask values.
    """
    avro: list[Mapping[str, Any]] = [
        {"name": field, "type": kind, "doc": f"{field} of the envelope"} for field, kind in ENVELOPE.items()
    ]
    parsed = [EventField(field["name"], field["type"], 1, "none", None, None, None, field["doc"]) for field in avro]
    for field in fields:
        masks: dict[str, Mask | None] = {key: field.get(key) for key in ("masked", "generalised")}
        attributes = {key: value for key, value in field.items() if key not in masks}
        attributes = {"classification": 1, "identifies": "none", "doc": field["name"], **attributes}
        avro.append(attributes)
        parsed.append(
            EventField(
                name=attributes["name"],
                type=attributes["type"],
                level=attributes["classification"],
                identifies=attributes["identifies"],
                masked=masks["masked"],
                generalised=masks["generalised"],
                codes=attributes.get("codes"),
                doc=attributes["doc"],
                tells=attributes.get("tells", attributes.get("identifier")),
            )
        )
    record = {"type": "record", "name": name, "namespace": namespace, "doc": name, "fields": avro}
    return EventSchema(name, namespace, record, tuple(parsed))


def topic_contract(topic: str = "market.price_report", **changes: Any) -> TopicContract:
    """A contract of two publishers and two partitions, with `changes`."""
    values: dict[str, Any] = {
        "topic": topic,
        "title": {"zh": "测试", "en": "test"},
        "event": "Report",
        "owner": "jd",
        "publishers": ("jd", "tmall"),
        "key": ("entity_id",),
        "partitions": 2,
        "compatibility": "BACKWARD",
        "retention": "30d",
        "event_time": {"past": "60d", "future": "1h"},
        "dead_letters": {"in_a_row": 1000, "ratio": 1.0},
        "standard": None,
        "examples": ("one.jsonl",),
    }
    return TopicContract.model_validate(values | changes)


def feed(steps: Sequence[Mapping[str, Any]], name: str = "dear", consumer: str = "cdc", **changes: Any) -> Feed:
    """A feed of tier 4 on `e: market.price_report`, with `changes`."""
    values: dict[str, Any] = {
        "feed": name,
        "title": {"zh": "测试", "en": "Test"},
        "consumer": consumer,
        "purpose": "test",
        "tier": 4,
        "grant": {
            "basis": "a test",
            "approved_by": "jd",
            "approved_on": "2020-01-01",
            "expires_on": "2030-01-01",
        },
        "retention": "1d",
        "partitions": 1,
        "sources": {"e": "market.price_report"},
        "steps": tuple(steps),
        "corrections": "independent",
        "mode": "any",
        "cases": ({"name": "nothing", "given": (), "expect": ()},),
    }
    return Feed.model_validate(values | changes)


def default_policy() -> CodeList:
    """A level up to the tier passes; one above: direct becomes a token, quasi is generalised, none is masked."""
    above = {"direct": "token", "quasi": "generalise", "none": "mask"}
    cells = [
        (level, kind, tier, "pass" if level <= tier else above[kind])
        for tier in (1, 2, 3, 4)
        for level in range(1, min(tier + 1, 4) + 1)
        for kind in _KINDS
    ]
    return policy_list(cells)


def policy_list(
    cells: Iterable[tuple[int, str, int, str]], emergency: Iterable[tuple[int, str, int, str]] = ()
) -> CodeList:
    """A policy of (level, identifies, tier, outcome), and what an emergency changes; what is not there is dropped."""
    entries = tuple(
        CodeEntry(
            code=f"level-{level}.{kind}.tier-{tier}",
            valid_from=None,
            valid_to=None,
            attributes=_cell(level, kind, tier, outcome),
        )
        for level, kind, tier, outcome in cells
    )
    return CodeList(POLICY_LIST, "a test", (*entries, *emergency_lines(emergency)))


def emergency_lines(cells: Iterable[tuple[int, str, int, str]]) -> tuple[CodeEntry, ...]:
    """Lines for the emergency mode alone."""
    return tuple(
        CodeEntry(
            f"emergency.level-{level}.{kind}.tier-{tier}",
            None,
            None,
            {**_cell(level, kind, tier, outcome), "mode": "emergency"},
        )
        for level, kind, tier, outcome in cells
    )


def _cell(level: int, kind: str, tier: int, outcome: str) -> dict[str, Any]:
    case = {"level": level, "identifies": kind, "tier": tier, "purpose": "any", "mode": "any"}
    return {**case, "outcome": outcome, "source": "a test"}


def token_rules(period: str = "month", hash_name: str = "sha-256", purpose: str = "any") -> CodeList:
    """One rule for tokens."""
    attributes = {"period": period, "hash": hash_name, "source": "a test"}
    return CodeList(TOKEN_LIST, "a test", (CodeEntry(purpose, None, None, attributes),))


def combination_list(*parts: Mapping[str, str], up_to_tier: int = 4) -> CodeList:
    """What is not shown together."""
    attributes = [{"parts": part, "up_to_tier": up_to_tier, "source": "a test"} for part in parts]
    entries = tuple(CodeEntry(f"rule-{number}", None, None, one) for number, one in enumerate(attributes, 1))
    return CodeList(COMBINATION_LIST, "a test", entries)


def catalogue(
    event: EventSchema,
    feeds: Iterable[Feed],
    contract: TopicContract | None = None,
    policy: CodeList | None = None,
    more: Iterable[tuple[TopicContract, EventSchema]] = (),
    *,
    tokens: CodeList | None = None,
    combinations: CodeList | None = None,
) -> Catalogue:
    """A catalogue of a topic contract and its event, of `more` such pairs, and of feeds on them."""
    pairs = [(contract or topic_contract(), event), *more]
    return Catalogue(
        root=Path(),
        parties={},
        topics={contract.topic: contract for contract, _ in pairs},
        events={contract.topic: event for contract, event in pairs},
        feeds={one.id: one for one in feeds},
        codes={
            POLICY_LIST: policy or default_policy(),
            TOKEN_LIST: tokens or token_rules(),
            **({COMBINATION_LIST: combinations} if combinations else {}),
        },
    )
