"""What each feed of the demo must hold, said again in plain Python.

The catalogue says it in CEL and masks, the planner compiles that, and the kernel runs it. Here it stands a second time,
by hand, so that what the consumers got is compared with what was meant and not with what was computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from gebus.model.event import ENVELOPE

Event = Mapping[str, Any]
Shown = Callable[[Any], Any]

_EPOCH = date(1970, 1, 1)
_TOKEN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Expectation:
    """A feed in words: of which topic, which records, which of their fields, and what is left of those.

    `clear` are the fields that come as they were sent; `masked` are others, by their name in the feed: the field that
    was sent, and what must be shown for its value. Nothing else may come but the envelope.
    """

    topic: str
    wanted: Callable[[Event], bool]
    clear: str
    masked: Mapping[str, tuple[str, Shown]] = field(default_factory=dict)
    key: str = "event_id"
    """What is delivered once."""

    def fields(self) -> set[str]:
        """Every field of the feed but the envelope."""
        return set(self.clear.split()) | set(self.masked)

    def violations(self, sent: Event, got: Event) -> list[str]:
        """The fields of a delivered record that are not as they must be; a field too many or too few among them."""
        shown: dict[str, Any] = {name: sent[name] for name in self.clear.split()}
        wrong = []
        for name, (origin, mask) in self.masked.items():
            value = sent[origin]
            if mask is not is_token:
                shown[name] = None if value is None else mask(value)
            elif not _is_token_of(got.get(name), value):
                wrong.append(name)
        wrong += [name for name, value in shown.items() if name not in got or plain(got[name]) != value]
        return wrong + sorted(set(got) - set(ENVELOPE) - self.fields())


def plain(value: Any) -> Any:
    """A decoded value as it was sent: a date as its day, all else as it is."""
    return (value - _EPOCH).days if isinstance(value, date) else value


def is_token(value: Any) -> Any:
    """Marks a field of which only the form of what is shown can be foretold: a keyed token."""
    return value


def _is_token_of(got: Any, sent: Any) -> bool:
    if sent is None:
        return got is None
    return isinstance(got, str) and _TOKEN.fullmatch(got) is not None


def _nothing(_value: Any) -> None:
    """What a null mask shows."""


def _always(words: str) -> Shown:
    return lambda _value: words


def _partial(first: int, last: int) -> Shown:
    def shown(value: str) -> str:
        if len(value) <= first + last:
            return "*" * len(value)
        return value[:first] + "*" * (len(value) - first - last) + value[len(value) - last :]

    return shown


def _province(value: str) -> str:
    return value[:2] + "0" * (len(value) - 2)


def _month(value: int) -> int:
    return ((_EPOCH + timedelta(days=value)).replace(day=1) - _EPOCH).days


def _ten_thousands(value: int) -> int:
    return value // 10_000 * 10_000


def _stands(event: Event) -> bool:
    return str(event["status"]) != "RETRACTED"


def _in_hubei(event: Event) -> bool:
    return str(event["region"]).startswith("42")


def _about_goods(event: Event) -> bool:
    return any(word in str(event["title"]) for word in ("口罩", "酒精", "双黄连", "消毒", "药"))


def _takes_back(event: Event) -> bool:
    return any((event[name] or 0) < 0 for name in ("new_confirmed", "new_cured", "new_dead"))


_COUNTED = "place as_of confirmed cured dead"

EXPECTED: Mapping[str, Expectation] = {
    "xinhua-street/district-needs": Expectation(
        "supply.need",
        lambda event: str(event["region"]).startswith("420103") and _stands(event),
        "hospital supplies address remark",
        {"contact_name": ("contact_name", is_token), "contact_phone": ("contact_phone", is_token)},
    ),
    "hubei-health/hospital-needs": Expectation(
        "supply.need", _in_hubei, "hospital place supplies address remark contact_name contact_phone source_url"
    ),
    "ditu/public-needs": Expectation(
        "supply.need",
        lambda event: _stands(event) and len(event["hospital"]) > 0,
        "hospital place supplies source_url",
        {"address": ("address", _always("ask the hospital")), "remark": ("remark", _nothing)},
    ),
    "hubei-command/channels": Expectation(
        "supply.logistics",
        _in_hubei,
        "carrier route takes_private_goods terms daily_capacity_kg opened_on source_url",
        {"dispatcher_phone": ("dispatcher_phone", _partial(3, 4))},
    ),
    "ditu/channels": Expectation(
        "supply.logistics",
        lambda event: _stands(event) and event["takes_private_goods"] is True,
        "carrier route terms source_url",
        {"daily_capacity_kg": ("daily_capacity_kg", _nothing)},
    ),
    "hubei-civil/donations": Expectation(
        "supply.donation",
        lambda _event: True,
        "kind organisation method campaign_status account_info source_url "
        "donor_name donor_phone donor_region donated_on amount_yuan",
    ),
    "hubei-market/donation-channels": Expectation(
        "supply.donation",
        lambda event: event["kind"] == "channel",
        "organisation method campaign_status source_url",
        {"account": ("account_info", is_token)},
    ),
    "xinwen/donation-totals": Expectation(
        "supply.donation",
        lambda event: event["kind"] in ("personal", "enterprise") and (event["amount_yuan"] or 0) > 0,
        "kind organisation",
        {
            "donor_region": ("donor_region", _province),
            "donated_on": ("donated_on", _month),
            "amount_yuan": ("amount_yuan", _ten_thousands),
        },
    ),
    "ditu/clinics": Expectation(
        "health.clinic",
        lambda _event: True,
        "kind name address opening source_url",
        {"free_beds": ("free_beds", _nothing)},
    ),
    "xinhua-street/clinics": Expectation(
        "health.clinic",
        lambda event: event["kind"] == "online_consultation" or event["region"].startswith("4201"),
        "kind name address opening free_beds",
        {"duty_phone": ("duty_phone", is_token)},
    ),
    "xinwen/notices": Expectation(
        "info.notice",
        lambda _event: True,
        "title summary publisher theme source_url",
        {"adopted_as": ("adopted_as", _nothing)},
        key="entity_id",
    ),
    "xinhua-street/local-notices": Expectation(
        "info.notice",
        lambda event: _in_hubei(event) and event["theme"] in ("travel", "supply", "work"),
        "title summary publisher theme adopted_as",
    ),
    "xinwen/rumor-answers": Expectation(
        "info.rumor", lambda event: event["verdict"] != "unsettled", "title verdict summary body source_url"
    ),
    "hubei-market/goods-rumors": Expectation(
        "info.rumor",
        _about_goods,
        "title verdict summary source_url",
        {"reporter_name": ("reporter_name", _partial(1, 0)), "reporter_phone": ("reporter_phone", is_token)},
    ),
    "yujing/visit-counts": Expectation("health.visit_count", _in_hubei, "syndrome day visits"),
    "hubei-health/case-counts": Expectation("health.case_count", _in_hubei, f"{_COUNTED} level suspected"),
    "ditu/city-counts": Expectation(
        "health.case_count",
        lambda event: event["level"] == "city" and event["source"] == "canghailan" and _stands(event),
        _COUNTED,
        {"suspected": ("suspected", _nothing)},
    ),
    "beijing-market/penalty-outcomes": Expectation(
        "market.penalty_outcome",
        lambda _event: True,
        "penalty_no uscc action acted_on remark",
        {"platform": ("source", str)},
    ),
    "hubei-health/count-corrections": Expectation(
        "health.case_increment",
        _takes_back,
        "level place reported_on new_confirmed new_cured new_dead authority source_urls note",
    ),
}
"""By the id of the feed."""
