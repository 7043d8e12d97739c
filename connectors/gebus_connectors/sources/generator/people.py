"""A few records with invented people: the real data names none, and without them no mask could be seen."""

from __future__ import annotations

from collections.abc import Iterator

from gebus_connectors.sources.clinics import place_key
from gebus_connectors.sources.identity import digest, make_event
from gebus_connectors.sources.reading import Event, Reading

_AT = 1_581_004_800_000
"""7 February 2020, 00:00 in China."""
_DAY = 18_299
_PEOPLE = (("王一", "10000000001"), ("李二", "10000000002"), ("张三", "10000000003"))
"""Nobody: names of the primer, and numbers of no operator's range."""


class PeopleSource:
    """One record an invented person, in each topic of the party that has a field for them."""

    def __init__(self, party: str) -> None:
        self._party = party

    @property
    def party(self) -> str:
        return self._party

    def read(self) -> Iterator[Reading]:
        makers = {
            "wuhan2020": _need,
            "wuliu": _channel,
            "cishan": _donation,
            "wuhan-support": _clinic,
            "hubei-health": _clinic,
            "dxy": _rumor,
        }
        if self._party in makers:
            for number, (name, phone) in enumerate(_PEOPLE):
                yield makers[self._party](self._party, number, name, phone)


def _need(party: str, number: int, name: str, phone: str) -> Event:
    content = {
        "hospital": f"演示医院{number}",
        "place": "湖北武汉市江汉区",
        "supplies": [
            {"kind": "protective_suit", "name": "防护服", "quantity": 200 + number, "specification": "GB 19082"}
        ],
        "address": f"演示路{number}号",
        "remark": "需有注册证",
        "contact_name": name,
        "contact_phone": phone,
        "source_url": None,
    }
    return make_event(party, "supply.need", digest("people", "need", number), at=_AT, region="420103", content=content)


def _channel(party: str, number: int, name: str, phone: str) -> Event:
    content = {
        "carrier": f"演示物流{number}",
        "route": "全国 - 武汉",
        "takes_private_goods": True,
        "terms": "免费",
        "daily_capacity_kg": 1_000 * (number + 1),
        "dispatcher_name": name,
        "dispatcher_phone": phone,
        "opened_on": _DAY,
        "source_url": None,
    }
    return make_event(
        party, "supply.logistics", digest("people", "channel", number), at=_AT, region="420100", content=content
    )


def _donation(party: str, number: int, name: str, phone: str) -> Event:
    content = {
        "kind": "personal",
        "organisation": "演示慈善总会",
        "method": "银行转账",
        "campaign_status": None,
        "account_info": f"户名 {name} 账号 0000 {number}",
        "donor_name": name,
        "donor_phone": phone,
        "donor_region": ("330106", "420103", "110105")[number],
        "donated_on": _DAY,
        "amount_yuan": (23_500, 800, 130_000)[number],
        "source_url": None,
    }
    return make_event(
        party, "supply.donation", digest("people", "donation", number), at=_AT, region="420000", content=content
    )


def _clinic(party: str, number: int, _name: str, phone: str) -> Event:
    name = f"演示门诊{number}"
    content = {
        "kind": "fever_clinic",
        "name": name,
        "address": f"演示路{number}号",
        # The commission knows shorter hours of the first one: what publishers say of one place can differ.
        "opening": "8:00-20:00" if party == "hubei-health" and number == 0 else "24小时",
        "free_beds": number,
        "duty_phone": phone,
        "source_url": None,
        "place_key": place_key("420103", name),
    }
    return make_event(
        party, "health.clinic", digest("people", "clinic", number), at=_AT, region="420103", content=content
    )


def _rumor(party: str, number: int, name: str, phone: str) -> Event:
    content = {
        "title": f"演示：口罩可以煮沸后再用？（{number}）",
        "verdict": "false",
        "summary": "不可以",
        "body": "高温会破坏滤层",
        "reporter_name": name,
        "reporter_phone": phone,
        "source_url": None,
    }
    return make_event(party, "info.rumor", digest("people", "rumor", number), at=_AT, region="420100", content=content)
