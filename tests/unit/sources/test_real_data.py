"""The real sets, where they lie: every row becomes an event that its contract takes, or is listed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gebus.catalogue import EventValidator, load
from gebus.model.catalogue import Catalogue
from gebus_connectors.sources.canghailan import CanghailanConfig, CanghailanSource
from gebus_connectors.sources.divisions import Divisions
from gebus_connectors.sources.dlunion import DlunionConfig, DlunionSource
from gebus_connectors.sources.dxy import DxyConfig, DxyCountsSource, DxyNewsSource, DxyRumorsSource
from gebus_connectors.sources.generator import GeneratorConfig, GeneratorSource, PeopleSource
from gebus_connectors.sources.journeys import CoTravel
from gebus_connectors.sources.nosugar import NosugarConfig, NosugarSource
from gebus_connectors.sources.reading import Event, Reading, Skipped, Source
from gebus_connectors.sources.thepaper import ThePaperConfig, ThePaperSource
from gebus_connectors.sources.values import Themes, ValueMap
from gebus_connectors.sources.wuhan2020 import Wuhan2020Config, Wuhan2020Source
from gebus_connectors.sources.wuhan_support import WuhanSupportConfig, WuhanSupportSource

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("DATA", ROOT / "../shared/data"))
LISTED_AT_MOST = {"thepaper": 210, "canghailan": 25, "wuhan-support": 2, "nosugar": 71, "dlunion": 145}
"""Rows that cannot become events: other countries, malformed dates, empty names, journeys by bus and taxi."""


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(ROOT / "schemas")


def _validated(readings: list[Reading], catalogue: Catalogue) -> int:
    validators: dict[str, EventValidator] = {}
    events = [reading for reading in readings if isinstance(reading, Event)]
    for event in events:
        if event.topic not in validators:
            contract, schema = catalogue.topics[event.topic], catalogue.events[event.topic]
            validators[event.topic] = EventValidator(contract, schema, catalogue.codes)
        validators[event.topic].check(event.at(1_600_000_000_000))
    return len(events)


def _real(catalogue: Catalogue) -> list[Source]:
    divisions = Divisions.read(DATA / "counts_codes" / "ChinaAreaCode.csv")
    statuses, verdicts, kinds = (
        ValueMap(catalogue.codes[name]) for name in ("campaign-statuses", "rumor-verdicts", "supply-kinds")
    )
    rules = CoTravel(catalogue.codes["co-travel-rules"], catalogue.codes["look-back-days"])
    forms = [Wuhan2020Config(DATA, form, "wuhan2020") for form in ("hospital", "clinic")]
    forms += [Wuhan2020Config(DATA, "logistical", "wuliu"), Wuhan2020Config(DATA, "donation", "cishan")]
    return [
        *(Wuhan2020Source(config, divisions, campaign_statuses=statuses, supply_kinds=kinds) for config in forms),
        WuhanSupportSource(WuhanSupportConfig(DATA), divisions),
        DxyCountsSource(DxyConfig(DATA), divisions),
        DxyNewsSource(DxyConfig(DATA), divisions, Themes(catalogue.codes["news-themes"])),
        DxyRumorsSource(DxyConfig(DATA), verdicts),
        CanghailanSource(CanghailanConfig(DATA), divisions),
        NosugarSource(NosugarConfig(DATA), divisions, rules),
        DlunionSource(DlunionConfig(DATA), divisions, rules),
        ThePaperSource(ThePaperConfig(DATA), divisions),
    ]


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the real data is not at {DATA}; name its place with DATA")
def test_every_row_of_the_real_sets_is_an_event_or_is_listed(catalogue: Catalogue) -> None:
    for source in _real(catalogue):
        readings = list(source.read())
        assert _validated(readings, catalogue) > 100
        skipped = [reading for reading in readings if isinstance(reading, Skipped)]
        assert len(skipped) <= LISTED_AT_MOST.get(source.party, 0), "\n".join(map(str, skipped))
        ids = {reading.event_id for reading in readings if isinstance(reading, Event)}
        again = {reading.event_id for reading in source.read() if isinstance(reading, Event)}
        assert ids == again


def test_invented_events_fit_their_contracts_and_repeat(catalogue: Catalogue) -> None:
    concluded = {processor.publishes for processor in catalogue.processors.values()}
    for topic, contract in catalogue.topics.items():
        for party in contract.publishers if topic not in concluded else ():
            source = GeneratorSource(GeneratorConfig(party, topic, events=300))
            readings = list(source.read())
            assert _validated(readings, catalogue) == 300
            ids = [reading.event_id for reading in readings if isinstance(reading, Event)]
            assert 100 < len(set(ids)) < 300
            assert ids == [reading.event_id for reading in source.read() if isinstance(reading, Event)]


def test_invented_people_fit_their_contracts(catalogue: Catalogue) -> None:
    parties = ("wuhan2020", "wuliu", "cishan", "wuhan-support", "hubei-health", "dxy")
    assert [_validated(list(PeopleSource(party).read()), catalogue) for party in parties] == [3] * 6
    assert list(PeopleSource("thepaper").read()) == []


def test_nothing_is_invented_for_an_unknown_topic() -> None:
    with pytest.raises(ValueError, match=r"market\.sale; known are health\.case_count"):
        GeneratorSource(GeneratorConfig("dxy", "market.sale"))
