"""Who publishes what: the real data where it lies, invented events of the same types where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from gebus.model.catalogue import Catalogue
from gebus_connectors.sources.canghailan import CanghailanConfig, CanghailanSource
from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.dlunion import DlunionConfig, DlunionSource
from gebus_connectors.sources.dxy import DxyConfig, DxyCountsSource, DxyNewsSource, DxyRumorsSource
from gebus_connectors.sources.generator import GeneratorConfig, GeneratorSource, PeopleSource
from gebus_connectors.sources.journeys import Carrier, CoTravel, Run
from gebus_connectors.sources.manifest import ManifestConfig, ManifestSource, QuerySource, flights, trains
from gebus_connectors.sources.nosugar import NosugarConfig, NosugarSource
from gebus_connectors.sources.reading import Event, Source
from gebus_connectors.sources.thepaper import ThePaperConfig, ThePaperSource
from gebus_connectors.sources.values import Themes, ValueMap
from gebus_connectors.sources.wuhan2020 import Wuhan2020Config, Wuhan2020Source
from gebus_connectors.sources.wuhan_support import WuhanSupportConfig, WuhanSupportSource

PEOPLE = ("wuhan2020", "wuliu", "cishan", "wuhan-support", "hubei-health", "dxy")
"""The parties to whose records the demo adds invented people."""

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Programme:
    """What each party publishes. `invented` names the topics whose data is not at `data`, each with its party."""

    data: Path
    sources: Mapping[str, Sequence[tuple[str, Source]]]
    """By party, with the topic that each source is for."""
    invented: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Part:
    party: str
    topic: str
    files: tuple[Path, ...]
    open: Callable[[], Source]


def programme(data: Path, catalogue: Catalogue) -> Programme:
    """The sources of every party; the people come last, and twice: a party that sends again what it has sent."""
    sources: dict[str, list[tuple[str, Source]]] = {}
    invented = []
    for part in _parts(data, catalogue):
        if part.files and all(path.is_file() for path in part.files):
            source = part.open()
        else:
            source = GeneratorSource(GeneratorConfig(part.party, part.topic))
            invented.append(f"{part.topic} of {part.party}")
        sources.setdefault(part.party, []).append((part.topic, source))
    for party in PEOPLE:
        sources[party] += [("", PeopleSource(party)), ("", PeopleSource(party))]
    return Programme(data, sources, tuple(invented))


def _parts(data: Path, catalogue: Catalogue) -> list[_Part]:
    codes = data / "counts_codes" / "ChinaAreaCode.csv"
    divisions = Divisions.read(codes) if codes.is_file() else Divisions({})
    verdicts = ValueMap(catalogue.codes["rumor-verdicts"])
    themes = Themes(catalogue.codes["news-themes"])
    support, dxy, canghailan, thepaper = (
        WuhanSupportConfig(data), DxyConfig(data), CanghailanConfig(data), ThePaperConfig(data)
    )  # fmt: skip
    forms = (
        (Wuhan2020Config(data, "hospital", "wuhan2020"), "supply.need"),
        (Wuhan2020Config(data, "clinic", "wuhan2020"), "health.clinic"),
        (Wuhan2020Config(data, "logistical", "wuliu"), "supply.logistics"),
        (Wuhan2020Config(data, "donation", "cishan"), "supply.donation"),
    )
    return [
        *(_form(config, topic, catalogue, codes, divisions) for config, topic in forms),
        _Part(
            support.party,
            "health.clinic",
            (support.hospitals, codes),
            lambda: WuhanSupportSource(support, divisions),
        ),
        _Part(dxy.party, "health.case_count", (*dxy.counts, codes), lambda: DxyCountsSource(dxy, divisions)),
        _Part(dxy.party, "info.notice", (dxy.news, codes), lambda: DxyNewsSource(dxy, divisions, themes)),
        _Part(dxy.party, "info.rumor", (dxy.rumors,), lambda: DxyRumorsSource(dxy, verdicts)),
        _Part(
            canghailan.party,
            "health.case_count",
            (canghailan.revisions, canghailan.daily, codes),
            lambda: CanghailanSource(canghailan, divisions),
        ),
        _Part(
            thepaper.party,
            "health.case_increment",
            (thepaper.notices, codes),
            lambda: ThePaperSource(thepaper, divisions),
        ),
        *_journeys(data, catalogue, codes, divisions),
        _invented("yiyuan", "health.visit_count"),
        _invented("hubei-health", "health.clinic"),
        _invented("beijing-market", "market.penalty"),
        *(
            _invented(platform, topic)
            for platform in ("gouwu", "pintuan")
            for topic in ("market.merchant", "market.penalty_outcome")
        ),
    ]


def _journeys(data: Path, catalogue: Catalogue, codes: Path, divisions: Divisions) -> list[_Part]:
    """Real journeys of cases, and invented passengers of the same flights and trains."""
    rules = CoTravel(catalogue.codes["co-travel-rules"], catalogue.codes["look-back-days"])
    nosugar, dlunion = NosugarConfig(data), DlunionConfig(data)
    hangkong, tielu = ManifestConfig(data, "hangkong"), ManifestConfig(data, "tielu")
    cases = (NosugarSource(nosugar, divisions, rules), DlunionSource(dlunion, divisions, rules))
    files = (nosugar.trips, *dlunion.tables, codes)

    @cache
    def journeys() -> list[Event]:
        return [reading for source in cases for reading in source.read() if isinstance(reading, Event)]

    @cache
    def aircraft() -> list[Run]:
        return [*_runs(journeys(), "aircraft"), *flights(hangkong)]

    @cache
    def railway() -> list[Run]:
        return [*_runs(journeys(), "train"), *trains(tielu)]

    return [
        _Part(nosugar.party, "health.case_trip", (nosugar.trips, codes), lambda: cases[0]),
        _Part(dlunion.party, "health.case_trip", (*dlunion.tables, codes), lambda: cases[1]),
        _Part("hangkong", "travel.seat", (*files, hangkong.routes), lambda: ManifestSource(hangkong, aircraft())),
        _Part("tielu", "travel.seat", (*files, tielu.stops), lambda: ManifestSource(tielu, railway())),
        _Part(
            "hanglv",
            "travel.contact_query",
            (*files, hangkong.routes, tielu.stops),
            lambda: QuerySource("hanglv", [*aircraft(), *railway()]),
        ),
    ]


def _runs(journeys: Sequence[Event], carrier: Carrier) -> list[Run]:
    """The runs on which a case was, each once, in the order in which they are told."""
    runs = {
        (str(trip["carrier_no"]), int(str(trip["service_date"]))): str(trip["region"])
        for trip in (journey.fields for journey in journeys)
        if (trip["carrier"] == "aircraft") == (carrier == "aircraft")
    }
    return [Run(carrier, number, _EPOCH + timedelta(days=day), region) for (number, day), region in runs.items()]


def _invented(party: str, topic: str) -> _Part:
    """What no public data set has."""
    return _Part(party, topic, (), lambda: GeneratorSource(GeneratorConfig(party, topic)))


def _form(config: Wuhan2020Config, topic: str, catalogue: Catalogue, codes: Path, divisions: Divisions) -> _Part:
    def source() -> Source:
        statuses, kinds = (ValueMap(catalogue.codes[name]) for name in ("campaign-statuses", "supply-kinds"))
        return Wuhan2020Source(config, divisions, campaign_statuses=statuses, supply_kinds=kinds)

    return _Part(config.party, topic, (config.changes, codes), source)
