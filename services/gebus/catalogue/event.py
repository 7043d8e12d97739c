"""One event against its topic contract: what a publisher and the catalogue's examples are checked with."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gebus.catalogue.avro_values import WrongValue, compile_record, kind
from gebus.catalogue.documents import nearest
from gebus.catalogue.event_json import compile_reader
from gebus.model.base import milliseconds
from gebus.model.catalogue import CodeList
from gebus.model.errors import EventRefused
from gebus.model.event import STATUSES, AvroType, EventSchema
from gebus.model.identifiers import DIVISIONS, Divisions, IdentifierKind, identifier_kinds
from gebus.model.topic import TopicContract

MAX_EVENT_ID_BYTES = 256
_REGION = re.compile(r"[0-9]{6,12}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000
_CHINA_MS = 8 * 3_600_000
"""Dates inside identifiers are days in China: a child born there at dawn is not of the day before."""
_LAST_DAY = date.max.toordinal()
_SHOWN_LEVEL = 2
"""Values of fields above this level are not shown in errors: whoever reads a log may not read the field."""


class EventValidator:
    """Checks events of one topic contract, each alone, before they are sent.

    Promised: an event that passes is encoded by its schema without loss and is no dead letter for its envelope or its
    types, and its codes and identifiers hold; the error names the field's path and shows no value of a field above
    level 2, and of an identifier that leads to a person never more than its mask. Not promised: that the event is in
    time, of a new id, or below the largest size: that is known only later.
    """

    def __init__(self, contract: TopicContract, schema: EventSchema, codes: Mapping[str, CodeList]) -> None:
        """`codes` holds at least the lists that the schema names; KeyError otherwise."""
        self._topic = contract.topic
        self._publishers = contract.publishers
        self._past_ms = milliseconds(contract.event_time.past)
        self._future_ms = milliseconds(contract.event_time.future)
        self._check_types = compile_record(schema.avro)
        self._read = compile_reader(schema.avro)
        divisions = codes.get(DIVISIONS)
        kinds = identifier_kinds(None if divisions is None else Divisions(divisions))
        self._checks = list(_field_checks(schema, _Lists(codes, kinds)))

    def check(self, record: Mapping[str, Any], now: datetime | None = None) -> None:
        """Nothing for an event that fits; EventRefused for any other.

        With `now`, also for one whose `occurred_at` is too early or too late for its contract if it arrives now. The
        lanes go by the time at which the log takes it, not by this machine's.
        """
        try:
            self._check_types(record)
            self._check_envelope(record)
            if now is not None:
                self._check_time(_milliseconds(record["occurred_at"]), _milliseconds(now))
            if self._checks:
                at = _milliseconds(record["occurred_at"])
                for check in self._checks:
                    check(record, at)
        except WrongValue as wrong:
            raise EventRefused(self._topic, wrong.path or "the event", wrong.found, wrong.allowed) from None

    def from_json(self, value: Any) -> Any:
        """A JSON value as check() and an encoder take it: text of dates, instants, decimals and bytes converted.

        EventRefused for such text that has no meaning; whatever else does not fit is found by check().
        """
        try:
            return value if self._read is None else self._read(value)
        except WrongValue as wrong:
            raise EventRefused(self._topic, wrong.path or "the event", wrong.found, wrong.allowed) from None

    def _check_envelope(self, record: Mapping[str, Any]) -> None:
        event_id = record["event_id"]
        if not 1 <= len(event_id) <= MAX_EVENT_ID_BYTES or len(event_id.encode()) > MAX_EVENT_ID_BYTES:
            found = f"an id of {len(event_id.encode())} bytes"
            raise WrongValue(found, f"1 to {MAX_EVENT_ID_BYTES} bytes", "event_id")
        if record["revision"] < 0:
            raise WrongValue(str(record["revision"]), "0 or more", "revision")
        if record["status"] not in STATUSES:
            raise WrongValue(_short(record["status"]), ", ".join(STATUSES), "status")
        if record["source"] not in self._publishers:
            allowed = f"a publisher of {self._topic}: {', '.join(self._publishers)}"
            raise WrongValue(_short(record["source"]), allowed, "source")
        if not _REGION.fullmatch(record["region"]):
            raise WrongValue(_short(record["region"]), "a GB/T 2260 code of 6 to 12 digits", "region")

    def _check_time(self, at_ms: int, now_ms: int) -> None:
        first_ms, last_ms = now_ms - self._past_ms, now_ms + self._future_ms
        if not first_ms <= at_ms <= last_ms:
            allowed = f"{_instant(first_ms)} to {_instant(last_ms)}, as this machine's clock shows {_instant(now_ms)}"
            raise WrongValue(_instant(at_ms), allowed, "occurred_at")


_Check = Callable[[Any, int], None]
"""Raises WrongValue for a value that does not hold at an instant (UTC ms), that of the event."""


@dataclass(frozen=True, slots=True)
class _Lists:
    """What the values of fields are held against, beyond their types."""

    codes: Mapping[str, CodeList]
    kinds: Mapping[str, IdentifierKind]


def _field_checks(schema: EventSchema, lists: _Lists) -> Iterator[_Check]:
    """One check for each top-level field with codes or an identifier, in itself or in the records below it."""
    levels = {field.name: field.level for field in schema.fields}
    for field in schema.avro["fields"]:
        check = _check_below(field, lists, levels[field["name"]])
        if check is not None:
            yield _of_field(field["name"], check)


def _of_field(name: str, check: _Check) -> _Check:
    def of_field(record: Mapping[str, Any], at: int) -> None:
        if name in record:
            try:
                check(record[name], at)
            except WrongValue as wrong:
                raise wrong.below(name) from None

    return of_field


def _check_below(field: Mapping[str, Any], lists: _Lists, level: int) -> _Check | None:
    shown = level <= _SHOWN_LEVEL
    checks: list[_Check] = []
    if "codes" in field:
        checks.append(_code_check(lists.codes[field["codes"]], shown=shown))
    if "identifier" in field:
        checks.append(_identifier_check(lists.kinds[field["identifier"]], shown=shown))
    record = _record_within(field["type"])
    if record is not None:
        inner = [(below["name"], _check_below(below, lists, level)) for below in record["fields"]]
        checks += [_of_field(name, check) for name, check in inner if check is not None]
    if not checks:
        return None

    def of_value(value: Any, at: int) -> None:
        for check in checks:
            check(value, at)

    return _spread(field["type"], of_value)


def _identifier_check(kind: IdentifierKind, *, shown: bool) -> _Check:
    def check(value: Any, at: int) -> None:
        day = _EPOCH.toordinal() + (at + _CHINA_MS) // _DAY_MS
        problem = kind.problem(value, date.fromordinal(min(max(day, 1), _LAST_DAY)))
        if problem is not None:
            raise WrongValue(*kind.told(value, problem, shown=shown))

    return check


def _record_within(avro: AvroType) -> Mapping[str, Any] | None:
    """The record that a type consists of, below its null, arrays and maps; None if it is none."""
    if isinstance(avro, list):
        return _record_within(avro[1])
    if isinstance(avro, str):
        return None
    if avro["type"] == "record":
        record: Mapping[str, Any] = avro
        return record
    below = avro.get("items", avro.get("values"))
    return None if below is None else _record_within(below)


def _spread(avro: AvroType, check: _Check) -> _Check:
    """`check` on each value that the type holds: none for null, each item of an array or map."""
    if isinstance(avro, list):
        branch = _spread(avro[1], check)
        return lambda value, at: None if value is None else branch(value, at)
    if isinstance(avro, dict) and avro["type"] in ("array", "map"):
        item_check = _spread(avro.get("items", avro.get("values")), check)

        def of_items(value: Any, at: int) -> None:
            for part, item in value.items() if isinstance(value, Mapping) else enumerate(value):
                try:
                    item_check(item, at)
                except WrongValue as wrong:
                    raise wrong.below(f"[{part!r}]") from None

        return of_items
    return check


def _code_check(codes: CodeList, *, shown: bool) -> _Check:
    spans: dict[str, tuple[tuple[int, int], ...]] = {}
    for entry in codes.entries:
        begin = _days(entry.valid_from or date.min)
        end = _days(entry.valid_to) if entry.valid_to else _days(date.max) + 1
        spans[entry.code] = (*spans.get(entry.code, ()), (begin, end))

    def check(value: Any, at: int) -> None:
        day = at // _DAY_MS
        for begin, end in spans.get(value, ()):
            if begin <= day < end:
                return
        found = _short(value) if shown else kind(value)
        if value in spans:
            found += " outside its validity"
        hint = nearest(value, spans) if shown and value not in spans else ""
        allowed = f"a code of {codes.name} that is valid on the day of occurred_at"
        raise WrongValue(found, f"{allowed}; {hint}" if hint else allowed)

    return check


def _days(day: date) -> int:
    return day.toordinal() - _EPOCH.toordinal()


def _milliseconds(instant: datetime | int) -> int:
    return (instant - _EPOCH) // timedelta(milliseconds=1) if isinstance(instant, datetime) else instant


def _instant(at_ms: int) -> str:
    """To the second; of a year that has no four digits the milliseconds since 1970."""
    try:
        return (_EPOCH + timedelta(milliseconds=at_ms)).isoformat(timespec="seconds").replace("+00:00", "Z")
    except OverflowError:
        return f"{at_ms} ms since 1970"


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
