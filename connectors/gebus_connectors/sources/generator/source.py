"""A seeded stream of events with repeats, corrections and retractions."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

from gebus_connectors.sources.clinics import place_key
from gebus_connectors.sources.divisions import level_of
from gebus_connectors.sources.generator import journeys, market
from gebus_connectors.sources.generator.config import GeneratorConfig
from gebus_connectors.sources.identity import Revisions, digest, make_event
from gebus_connectors.sources.reading import Event, Reading
from gebus_connectors.sources.rows import china_day, days_since_epoch

_REGIONS = {
    "420100": "武汉市",
    "420103": "江汉区",
    "420106": "武昌区",
    "420500": "宜昌市",
    "420600": "襄阳市",
    "430100": "长沙市",
    "330300": "温州市",
    "110105": "朝阳区",
}
_GOODS = {
    "医用外科口罩": "mask_surgical",
    "N95口罩": "mask_n95",
    "防护服": "protective_suit",
    "护目镜": "goggles",
    "75%酒精": "alcohol",
    "乳胶手套": "gloves",
}
_CARRIERS = ("甲物流", "乙速运", "丙货运", "丁快递")
_THEMES = ("counts", "treatment", "supply", "travel", "work", "medics", "other")
_RUMORS = ("口罩可以蒸煮消毒", "喝茶可以预防", "某地封路", "喷洒酒精可以杀毒", "某药特效")
_SYNDROMES = ("pneumonia_unexplained", "influenza_like", "fever", "diarrhoea")
_ENTITIES = 40
_REPEATED, _RETRACTED = 0.15, 0.04

_Content = dict[str, object]


class GeneratorSource:
    """What one party might publish to one topic.

    Promised: the same configuration gives the same events, on every machine; about one in seven is a repeat, and
    some are corrected or retracted, as in the real streams. Not promised: any likeness of the numbers to real ones.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        self._config = config
        if config.topic not in _CONTENT:
            raise ValueError(f"nothing is invented for {config.topic}; known are {', '.join(sorted(_CONTENT))}")

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        config = self._config
        # The seed makes the run, so the numbers need to be repeatable, not secret.
        numbers = random.Random(f"{config.seed}/{config.party}/{config.topic}")  # noqa: S311
        revisions = Revisions(config.party, config.topic)
        said: list[Event] = []
        for number in range(config.events):
            at = config.begins + number * 60_000
            chance = numbers.random()
            if said and chance < _REPEATED:
                said.append(numbers.choice(said))
            elif said and chance < _REPEATED + _RETRACTED and config.topic not in _NEVER_RETRACTED:
                entity = str(numbers.choice(said).fields["entity_id"])
                said.append(revisions.retract(entity, at) or said[-1])
            else:
                said.append(self._new(numbers, revisions, at))
            yield said[-1]

    def _new(self, numbers: random.Random, revisions: Revisions, at: int) -> Event:
        config = self._config
        which = numbers.randrange(_ENTITIES)
        region = list(_REGIONS)[which % len(_REGIONS)]
        content = _CONTENT[config.topic](numbers, which, region, days_since_epoch(china_day(at)))
        if config.topic in _NEVER_RETRACTED:
            entity = digest(config.topic, content.get("title", [content, at]))
            return make_event(config.party, config.topic, entity, at=at, region=region, content=content)
        if "syndrome" in content:
            entity = f"{region}/{content['syndrome']}/{china_day(at)}"
        else:
            entity = f"{region}/{china_day(at)}" if "as_of" in content else digest(config.topic, which)
        return revisions.say(entity, at, region, content)


def _need(numbers: random.Random, which: int, region: str, _day: int) -> _Content:
    goods = numbers.sample(list(_GOODS.items()), numbers.randint(1, 4))
    supplies = [
        {"kind": kind, "name": name, "quantity": numbers.choice([None, 100, 2000]), "specification": None}
        for name, kind in goods
    ]
    return {
        "hospital": f"第{which}医院",
        "place": f"{_REGIONS[region]}",
        "supplies": supplies,
        "address": f"{_REGIONS[region]}某路{which}号",
        "remark": numbers.choice([None, "需有注册证"]),
        "contact_name": None,
        "contact_phone": None,
        "source_url": None,
    }


def _channel(numbers: random.Random, which: int, region: str, day: int) -> _Content:
    return {
        "carrier": _CARRIERS[which % len(_CARRIERS)],
        "route": f"全国 - {_REGIONS[region]}",
        "takes_private_goods": numbers.choice([None, True, False]),
        "terms": numbers.choice([None, "免费"]),
        "daily_capacity_kg": numbers.choice([None, 500, 20_000]),
        "dispatcher_name": None,
        "dispatcher_phone": None,
        "opened_on": day,
        "source_url": None,
    }


def _donation(numbers: random.Random, which: int, region: str, day: int) -> _Content:
    kind = ("channel", "enterprise")[which % 2]
    channel = kind == "channel"
    return {
        "kind": kind,
        "organisation": f"第{which}基金会",
        "method": "银行转账" if channel else None,
        "campaign_status": numbers.choice(["open", "closed"]) if channel else None,
        "account_info": f"户名 第{which}基金会 账号 {which:08d}" if channel else None,
        "donor_name": None,
        "donor_phone": None,
        "donor_region": None if channel else region,
        "donated_on": None if channel else day,
        "amount_yuan": None if channel else numbers.randrange(1_000, 900_000),
        "source_url": None,
    }


def _clinic(numbers: random.Random, which: int, region: str, _day: int) -> _Content:
    name = f"第{which}医院"
    return {
        "kind": numbers.choice(["designated_hospital", "fever_clinic", "online_consultation"]),
        "name": name,
        "address": f"{_REGIONS[region]}某路{which}号",
        "opening": None,
        "free_beds": numbers.choice([None, 0, 12]),
        "duty_phone": None,
        "source_url": None,
        "place_key": place_key(region, name),
    }


def _notice(numbers: random.Random, which: int, region: str, _day: int) -> _Content:
    return {
        "title": f"{_REGIONS[region]}第{which}号通告",
        "summary": "自即日起",
        "publisher": numbers.choice(["甲报", "乙台", "丙网"]),
        "theme": numbers.choice(_THEMES),
        "source_url": None,
        "adopted_as": numbers.choice([None, "0", "1"]),
    }


def _rumor(numbers: random.Random, which: int, _region: str, _day: int) -> _Content:
    return {
        "title": f"{_RUMORS[which % len(_RUMORS)]}？（{which}）",
        "verdict": numbers.choice(["false", "credible", "unsettled"]),
        "summary": "经查证",
        "body": "理由如下",
        "reporter_name": None,
        "reporter_phone": None,
        "source_url": None,
    }


def _count(numbers: random.Random, _which: int, region: str, day: int) -> _Content:
    confirmed = numbers.randrange(500)
    return {
        "level": level_of(region),
        "place": _REGIONS[region],
        "as_of": day,
        "confirmed": confirmed,
        "suspected": numbers.choice([None, 3]),
        "cured": confirmed // 10,
        "dead": confirmed // 50,
    }


def _increment(numbers: random.Random, _which: int, region: str, day: int) -> _Content:
    return {
        "level": level_of(region),
        "place": _REGIONS[region],
        "reported_on": day,
        "new_confirmed": numbers.choice([None, -2, 0, 5]),
        "new_cured": numbers.randrange(3),
        "new_dead": 0,
        "authority": f"{_REGIONS[region]}卫健委",
        "source_urls": [],
        "note": None,
    }


def _visits(numbers: random.Random, which: int, _region: str, day: int) -> _Content:
    syndrome = _SYNDROMES[which // len(_REGIONS) % len(_SYNDROMES)]
    return {"syndrome": syndrome, "day": day, "visits": numbers.randint(0, 40)}


_CONTENT: Mapping[str, Callable[[random.Random, int, str, int], _Content]] = {
    "supply.need": _need,
    "supply.logistics": _channel,
    "supply.donation": _donation,
    "health.clinic": _clinic,
    "info.notice": _notice,
    "info.rumor": _rumor,
    "health.visit_count": _visits,
    "health.case_count": _count,
    "health.case_increment": _increment,
    "health.case_trip": journeys.trip,
    "travel.seat": journeys.seat,
    "travel.contact_query": journeys.query,
    "market.penalty": market.penalty,
    "market.merchant": market.merchant,
    "market.penalty_outcome": market.outcome,
    "supply.order": market.order,
    "supply.stock": market.stock,
}
_NEVER_RETRACTED = frozenset({"info.notice", "health.case_increment", "travel.contact_query"})
"""A notice stands for itself, and a query: another one does not replace it."""
