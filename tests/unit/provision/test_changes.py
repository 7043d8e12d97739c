"""What a catalogue asks for, and the changes that lead there. No server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.plan import journeys

from gebus.catalogue import load
from gebus.kafka.admin import Acl, Topic
from gebus.lanes.forms import STEPS_TOPIC, Life, Noted, Notes
from gebus.lanes.settings import STATE_PREFIX
from gebus.model.errors import ContractError
from gebus.plan import lanes
from gebus.provision import Changes, Desired, Observed, desired
from gebus.provision import compare as compare_at
from gebus.provision.observed import Subject

TINY = Path(__file__).parents[1] / "catalogue" / "tiny"
SOURCE, FEED = "market.price_report.jd", "feed.cdc.dear-masks"
NOW = 1_800_000_000_000
NOTHING = Observed({}, {}, frozenset(), frozenset(), frozenset())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "schemas"))


@pytest.fixture
def wanted(root: Path) -> Desired:
    return _wanted(root)


def _wanted(root: Path) -> Desired:
    catalogue = load(root)
    return desired(catalogue, lanes(catalogue))


def compare(wanted: Desired, there: Observed, root: Path, now_ms: int = NOW, forget: Collection[str] = ()) -> Changes:
    return compare_at(wanted, there, root, now_ms=now_ms, forget=forget)


def _reached(wanted: Desired) -> Observed:
    """What is there after everything was done."""
    return Observed(
        topics=wanted.topics,
        subjects={schema.subject: Subject(schema.level, ((1, schema.avro),)) for schema in wanted.schemas},
        principals=wanted.principals | {"gebus-admin"},
        acls=wanted.acls,
        secrets=wanted.principals | {"gebus-admin"},
        notes=Notes(
            {feed: Noted(forms) for feed, forms in wanted.forms.items() if forms},
            {
                name.removeprefix(STATE_PREFIX): Life(1, anew=False)
                for name in wanted.topics
                if name.startswith(STATE_PREFIX)
            },
        ),
    )


def _lines(changes: Changes) -> list[str]:
    return [f"{change.mark} {change.action} {change.name}: {change.detail}" for change in changes.additions]


def _edit(root: Path, file: str, old: str, new: str) -> None:
    path = root / file
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


BUS = {"gebus.grants", "gebus.modes", "gebus.audit", "gebus.ledger.leaves", "gebus.ledger.checkpoints"}


def test_from_nothing_everything_is_made_topics_first_and_rights_last(wanted: Desired, root: Path) -> None:
    changes = compare(wanted, NOTHING, root)
    actions = [change.action for change in changes.additions]
    assert list(dict.fromkeys(actions)) == [
        "create topic",
        "register schema",
        "set compatibility",
        "create principal",
        "grant",
        "note",
    ]
    assert changes.removals == ()
    assert {change.name for change in changes.additions if change.action == "create topic"} == {
        SOURCE,
        "dead.market.price_report",
        "gebus.state.market.price_report",
        FEED,
        "feed.watch.all-prices",
        STEPS_TOPIC,
        *BUS,
    }


def test_where_everything_is_there_nothing_changes(wanted: Desired, root: Path) -> None:
    assert compare(wanted, _reached(wanted), root) == Changes((), ())


def test_settings_that_the_catalogue_does_not_name_are_left_alone(wanted: Desired, root: Path) -> None:
    there = _reached(wanted)
    source = there.topics[SOURCE]
    tuned = Topic(SOURCE, source.partitions, {**source.config, "segment.bytes": "1048576"})
    assert compare(wanted, replace(there, topics={**there.topics, SOURCE: tuned}), root).additions == ()


def test_a_changed_retention_alters_the_topics_of_the_contract(root: Path) -> None:
    there = _reached(_wanted(root))
    _edit(root, "topics/market.price_report.yaml", "retention: 7d", "retention: 8d")
    assert _lines(compare(_wanted(root), there, root)) == [
        "~ alter topic dead.market.price_report: retention.ms 604800000 -> 691200000",
        "~ alter topic market.price_report.jd: retention.ms 604800000 -> 691200000",
    ]


def test_a_setting_that_was_never_made_is_said_to_be_the_brokers(wanted: Desired, root: Path) -> None:
    there = _reached(wanted)
    bare = replace(there, topics={**there.topics, SOURCE: Topic(SOURCE, 2, {"cleanup.policy": "delete"})})
    (line,) = _lines(compare(wanted, bare, root))
    assert "message.timestamp.type the default of the broker -> LogAppendTime" in line


@pytest.mark.parametrize(("level", "expected"), [("FULL", ["set compatibility"]), ("BACKWARD_TRANSITIVE", [])])
def test_a_changed_compatibility_is_set(level: str, expected: list[str], wanted: Desired, root: Path) -> None:
    there = _reached(wanted)
    subject = replace(there.subjects["market.price_report-value"], level=level)
    there = replace(there, subjects={**there.subjects, "market.price_report-value": subject})
    assert [change.action for change in compare(wanted, there, root).additions] == expected


def test_a_schema_that_is_an_earlier_version_is_not_registered_again(wanted: Desired, root: Path) -> None:
    there = _reached(wanted)
    name = "market.price_report-value"
    newer = {**wanted.schemas[0].avro, "doc": "another"}
    subject = Subject(wanted.schemas[0].level, ((1, wanted.schemas[0].avro), (2, newer)))
    assert compare(wanted, replace(there, subjects={**there.subjects, name: subject}), root).additions == ()


def test_the_level_is_set_before_the_version_that_it_must_judge(root: Path) -> None:
    there = _reached(_wanted(root))
    _edit(root, "topics/market.price_report.yaml", "BACKWARD_TRANSITIVE", "FULL")
    _edit(root, "events/market/PriceReport.avsc", '"doc": "Pieces on offer."', '"doc": "Pieces."')
    about = [change.action for change in compare(_wanted(root), there, root).additions if "market" in change.name]
    assert about == ["set compatibility", "register schema"]


def test_an_incompatible_schema_is_refused_with_path_rule_version_and_feeds(root: Path) -> None:
    there = _reached(_wanted(root))
    _edit(
        root,
        "events/market/PriceReport.avsc",
        '"quantity", "type": ["null", "long"',
        '"quantity", "type": ["null", "int"',
    )
    with pytest.raises(ContractError) as caught:
        compare(_wanted(root), there, root)
    (finding,) = caught.value.findings
    assert (finding.file, finding.rule) == ("events/market/PriceReport.avsc", "compatibility")
    assert "offers" in (root / finding.file).read_text().splitlines()[finding.line - 1]
    for part in ("offers[].quantity", "long is read as int", "type_mismatch", "version 1", "BACKWARD_TRANSITIVE",
                 "cdc/dear-masks", "watch/all-prices"):  # fmt: skip
        assert part in str(finding)


def test_a_feed_whose_output_breaks_its_consumer_is_refused_at_its_field(root: Path) -> None:
    there = _reached(_wanted(root))
    _edit(root, "feeds/cdc/dear-masks.yaml", "pieces: report.pieces", "goods2: report.goods")
    with pytest.raises(ContractError) as caught:
        compare(_wanted(root), there, root)
    (finding,) = caught.value.findings
    assert finding.file == "feeds/cdc/dear-masks.yaml"
    assert "goods2" in (root / finding.file).read_text().splitlines()[finding.line - 1]
    assert "used by the feeds cdc/dear-masks" in finding.next_step


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("topics/market.price_report.yaml", "partitions: 2", "partitions: 4", "has 2 partitions, 4 are asked for"),
        ("topics/market.price_report.yaml", "partitions: 2", "partitions: 1", "has 2 partitions, 1 are asked for"),
        ("feeds/cdc/dear-masks.yaml", "partitions: 1", "partitions: 2", "has 1 partitions, 2 are asked for"),
    ],
)
def test_another_number_of_partitions_is_refused(root: Path, file: str, old: str, new: str, says: str) -> None:
    there = _reached(_wanted(root))
    _edit(root, file, old, new)
    with pytest.raises(ContractError) as caught:
        compare(_wanted(root), there, root)
    for finding in caught.value.findings:
        assert (finding.file, finding.rule) == (file, "partitions")
        assert new in (root / file).read_text().splitlines()[finding.line - 1]
        assert says in finding.found


def test_a_new_publisher_gets_its_own_topic_and_no_right_on_any_other(root: Path) -> None:
    there = _reached(_wanted(root))
    _edit(root, "topics/market.price_report.yaml", "publishers: [jd]", "publishers: [jd, cdc]")
    lines = _lines(compare(_wanted(root), there, root))
    assert [line.partition(": partitions")[0] for line in lines] == [
        "+ create topic market.price_report.cdc",
        "+ grant cdc: describe topic market.price_report.cdc",
        "+ grant cdc: write topic market.price_report.cdc",
        "+ grant gebus-lanes: describe topic market.price_report.cdc",
        "+ grant gebus-lanes: read topic market.price_report.cdc",
    ]


def test_nobody_but_the_consumer_and_the_workers_has_a_right_on_a_feed(wanted: Desired) -> None:
    holders = {acl.principal for acl in wanted.acls if acl.resource == "topic" and acl.name in (FEED, "feed.")}
    assert holders == {"cdc", "gebus-lanes"}


def _without_secret(there: Observed) -> Observed:
    return replace(there, secrets=there.secrets - {"cdc"})


def _without_principal(there: Observed) -> Observed:
    return replace(there, principals=there.principals - {"cdc"})


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (_without_principal, "+ create principal cdc: with the secret of this home"),
        (
            _without_secret,
            "~ renew password cdc: its secret is not in this home; the password it had is no longer valid",
        ),
        (
            lambda there: _without_principal(_without_secret(there)),
            "+ create principal cdc: its secret is written into this home",
        ),
    ],
)
def test_a_principal_gets_a_password_where_it_has_none(
    change: Callable[[Observed], Observed], line: str, wanted: Desired, root: Path
) -> None:
    assert _lines(compare(wanted, change(_reached(wanted)), root)) == [line]


def test_what_the_catalogue_no_longer_names_is_removed_last_and_nothing_else(wanted: Desired, root: Path) -> None:
    there = _reached(wanted)
    foreign: dict[str, Any] = {name: Topic(name, 1) for name in ("other.team.topic", "feeds", "somebody", "a.b.c.d")}
    ours = {name: Topic(name, 1) for name in ("feed.cdc.old", "dead.market.old", "gebus.state.old", "market.old.gone")}
    right = Acl("gone", "topic", "literal", "market.old.gone", "write")
    their_right = Acl("stranger", "topic", "literal", "somebody", "write")
    there = replace(
        there,
        topics={**there.topics, **foreign, **ours},
        principals=there.principals | {"gone", "stranger"},
        secrets=there.secrets | {"gone"},
        acls=there.acls | {right, their_right},
    )
    changes = compare(wanted, there, root)
    assert changes.additions == ()
    assert [(change.mark, change.action, change.name) for change in changes.removals] == [
        ("-", "revoke", "gone"),
        ("-", "remove principal", "gone"),
        ("-", "delete topic", "dead.market.old"),
        ("-", "delete topic", "feed.cdc.old"),
        ("-", "delete topic", "gebus.state.old"),
        ("-", "delete topic", "market.old.gone"),
    ]


def test_workers_keep_their_right_to_log_in_whatever_the_catalogue_says(wanted: Desired) -> None:
    assert "gebus-lanes" in wanted.principals


def test_the_state_of_a_processor_is_its_partys_alone(root: Path) -> None:
    _edit(root, "topics/market.price_report.yaml", "publishers: [jd]", "publishers: [jd, watch]")
    (root / "processors").mkdir()
    (root / "processors/price-watch.yaml").write_text(
        "processor: price-watch\ntitle: {zh: 价格监测, en: Price watch}\nparty: watch\nreads: all-prices\n"
        "publishes: market.price_report\n"
    )
    wanted, name = _wanted(root), "gebus.processor.price-watch.state"
    assert wanted.topics[name].config["cleanup.policy"] == "compact"
    assert wanted.topics[name].partitions == wanted.topics["feed.watch.all-prices"].partitions
    rights = {(acl.principal, acl.pattern, acl.operation) for acl in wanted.acls if acl.name == name}
    assert rights == {("watch", "literal", right) for right in ("read", "write", "describe")}
    without = _wanted(TINY)
    removed = compare(without, _reached(wanted), TINY).removals
    assert ("delete topic", name) in {(change.action, change.name) for change in removed}


def _joined() -> Desired:
    catalogue = journeys.world(journeys.joined(journeys.join(within="60d"), journeys.OUT))
    return desired(catalogue, lanes(catalogue))


def test_an_internal_topic_keeps_what_its_contract_keeps_and_lanes_alone_have_it() -> None:
    wanted = _joined()
    (name,) = [topic for topic in wanted.topics if topic.startswith("gebus.rekey.")]
    assert name == "gebus.rekey.travel.seat.by.carrier_no.service_date.4"
    contract = next(topic for topic in wanted.topics if topic.startswith("travel.seat."))
    as_published = wanted.topics[contract]
    # A lane writes it, in batches that are larger than what a party may publish.
    config = {key: value for key, value in as_published.config.items() if key != "max.message.bytes"}
    assert wanted.topics[name] == replace(as_published, name=name, partitions=4, config=config)
    holders = {acl.principal for acl in wanted.acls if acl.pattern == "prefixed" and name.startswith(acl.name)}
    holders |= {acl.principal for acl in wanted.acls if acl.name == name}
    assert holders == {"gebus-lanes"}
    assert compare(wanted, _reached(wanted), TINY) == Changes((), ())
    removed = compare(_wanted(TINY), _reached(wanted), TINY).removals
    assert ("delete topic", name) in {(change.action, change.name) for change in removed}


def test_a_lanes_state_is_kept_longer_than_its_longest_window() -> None:
    topics = _joined().topics
    (state,) = [topic for topic in topics.values() if topic.name.startswith("gebus.state.health.case_trip-")]
    assert int(state.config["retention.ms"]) > 60 * 86_400_000 * 9 / 8
