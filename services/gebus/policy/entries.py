"""What all lists of the policy have in common: entries in force, and errors that name the entry."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import PlanError


def in_force(codes: CodeList | None, on: date | None) -> tuple[CodeEntry, ...]:
    """The entries that hold on the day, or, without a day, those that have no end; none of a list that is not there."""
    if codes is None:
        return ()
    return (
        tuple(entry for entry in codes.entries if entry.valid_to is None) if on is None else (*codes.at(on).values(),)
    )


def check_keys(name: str, entry: CodeEntry, allowed: set[str]) -> None:
    if set(entry.attributes) != allowed:
        raise broken(name, entry.code, f"has {_listed(entry.attributes)}; allowed: exactly {_listed(allowed)}")


def check_choice(name: str, entry: CodeEntry, attribute: str, allowed: tuple[Any, ...]) -> None:
    value = entry.attributes[attribute]
    if isinstance(value, bool) or value not in allowed:
        raise broken(name, entry.code, f"{attribute} is {value!r}; allowed: {', '.join(map(str, allowed))}")


def check_source(name: str, entry: CodeEntry) -> str:
    """The law or standard behind an entry."""
    source = entry.attributes["source"]
    if not isinstance(source, str) or not source.strip():
        raise broken(name, entry.code, "has no source; name the law or standard that it follows")
    return source


def broken(name: str, code: str, problem: str) -> PlanError:
    return PlanError(f"codes/{name}.yaml: {code}", problem)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "nothing"
