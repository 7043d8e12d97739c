"""The policy, read by the oracle from the code lists themselves: it asks nothing of gebus.policy.

`views` says what of a field a feed shows in each mode. `masked` then does it, with the keys of tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gebus.model.catalogue import CodeList
from gebus.model.event import ENVELOPE, EventField, Mask
from gebus.model.feed import Feed

MODES = ("normal", "emergency")
_TELL_NOTHING = ("drop", "null", "fixed")
_CONSTANT = Mask("null")
_GONE = Mask("drop")


@dataclass(frozen=True, slots=True)
class OracleMode:
    """An emergency, as the kernel is told of it."""

    id: str
    prefix: str
    since_ms: int
    until_ms: int


def mode_of(modes: Iterable[OracleMode], region: str, at_ms: int) -> str:
    """The id of the mode that holds for a record; empty for none."""
    holding = [one for one in modes if one.since_ms <= at_ms < one.until_ms and region.startswith(one.prefix)]
    deepest = max((len(one.prefix) for one in holding), default=0)
    return min((one.id for one in holding if len(one.prefix) == deepest), default="")


def token_rule(codes: Mapping[str, CodeList], purpose: str) -> tuple[str, str]:
    """Period and hash of the tokens for a purpose."""
    rules = {entry.code: entry.attributes for entry in _open(codes.get("token-rules"))}
    chosen = rules.get(purpose) or rules.get("any") or {"period": "none", "hash": "none"}
    return chosen["period"], chosen["hash"]


def action(codes: Mapping[str, CodeList], field: EventField, feed: Feed, mode: str) -> str:
    """What the policy does with a field: one of its outcomes, drop where no line speaks of it."""
    best, found = -1, "drop"
    for entry in _open(codes["field-policy"]):
        line = entry.attributes
        if (line["level"], line["tier"]) != (field.level, feed.tier):
            continue
        if line["identifies"] not in (field.identifies, "any"):
            continue
        if line["purpose"] not in (feed.purpose, "any") or line["mode"] not in (mode, "any"):
            continue
        weight = 2 * (line["purpose"] != "any") + (line["mode"] != "any")
        if weight > best:
            best, found = weight, line["outcome"]
    return str(found)


def left_by_policy(codes: Mapping[str, CodeList], field: EventField, feed: Feed, mode: str) -> Mask | None:
    """What the policy alone leaves: None is everything."""
    if field.name in ENVELOPE:
        return None
    outcome = action(codes, field, feed, mode)
    if outcome == "pass":
        return None
    means = {"token": Mask("token"), "mask": field.masked, "generalise": field.generalised}
    mask = means.get(outcome)
    return mask if mask is not None and _fits(mask, field.plain_type) else _GONE


def views(
    codes: Mapping[str, CodeList], field: EventField, feed: Feed, author: Mask | None
) -> tuple[Mask | None, Mask | None] | None:
    """The masks in the normal mode and in an emergency; None for a field that is in neither."""
    modes = MODES if feed.mode == "any" else (feed.mode, feed.mode)
    both = [_stricter(left_by_policy(codes, field, feed, mode), author) for mode in modes]
    if all(mask == _GONE for mask in both):
        return None
    shown = [mask for mask in both if mask != _GONE]
    if len({_as_text(mask, field.plain_type) for mask in shown}) > 1:
        # One schema cannot hold both: as in the normal mode, if an emergency may show as much.
        narrower = both[1] is None or (both[0] is not None and _follows(both[0], both[1]))
        both[1] = both[0] if narrower else _CONSTANT
    normal, emergency = (_CONSTANT if mask == _GONE else mask for mask in both)
    return normal, emergency


def _open(codes: CodeList | None) -> list[Any]:
    return [] if codes is None else [entry for entry in codes.entries if entry.valid_to is None]


def _as_text(mask: Mask | None, avro: Any) -> bool:
    made = ("fixed", "partial", "division", "parent", "token")
    return avro == "string" or (mask is not None and mask.kind in made)


def _fits(mask: Mask, avro: Any) -> bool:
    name, logical = (avro, None) if isinstance(avro, str) else (avro["type"], avro.get("logicalType"))
    fitting: dict[str, bool] = {
        "drop": True,
        "null": True,
        "token": name in ("string", "int", "long"),
        "date": logical == "date",
        "instant": logical == "timestamp-millis",
        "band": name in ("int", "long") and logical is None,
        "grid": name in ("float", "double"),
    }
    return fitting.get(mask.kind, name == "string" and logical is None)


def _stricter(policy: Mask | None, author: Mask | None) -> Mask | None:
    if author is None or policy == _GONE:
        return policy
    if policy is None:
        return author
    if _follows(author, policy):
        return author
    return policy if _follows(policy, author) else _CONSTANT


def _follows(less: Mask, more: Mask) -> bool:
    """Whether whoever has `more` could work out `less` alone."""
    if less == more or less.kind in _TELL_NOTHING:
        return True
    units = ["", "day", "month", "year"]
    coarser: dict[str, bool] = {
        "date": units.index(less.unit) > units.index(more.unit),
        "instant": units.index(less.unit) > units.index(more.unit),
        "band": less.width % (more.width or 1) == 0,
        "grid": less.width % (more.width or 1) == 0,
        "division": less.digits < more.digits,
        "partial": less.first + less.last == 0,
    }
    return less.kind == more.kind and coarser.get(less.kind, False)
