"""What time alone makes due, and what is recorded from paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.model.test_grant import DAY, LATE, NOW, OWNER, REQUESTED, asked, terms

from gebus.catalogue import load
from gebus.control.keeper import due
from gebus.control.paper import recordings
from gebus.control.persons import Persons
from gebus.model.control import Known
from gebus.model.errors import ActRefused, Denied, NotFound
from gebus.model.feed import Feed
from gebus.model.grant import FeedGrants, act_of
from gebus.model.person import THE_BUS, Person

TINY = Path(__file__).parents[1] / "catalogue/tiny"


def test_a_deadline_that_passed_is_escalated_once() -> None:
    known = Known(grants={"travel/trips": FeedGrants(version=3, grants=(REQUESTED,))})
    assert list(due(known, NOW)) == []
    (word,) = due(known, LATE)
    assert isinstance(word.value, FeedGrants)
    assert word.value.version == 4
    assert [act.reason for act in word.value.newest.acts if act.verb == "escalate"] == [OWNER]
    assert "data may instead" in word.audit["said"]
    known.grants["travel/trips"] = word.value
    assert list(due(known, LATE + DAY)) == []


def test_without_an_authority_the_escalation_says_that_nobody_may() -> None:
    known = Known(grants={"travel/trips": FeedGrants(version=1, grants=(asked(terms(authority=None)),))})
    (word,) = due(known, LATE)
    assert "nobody may instead" in word.audit["said"]


def test_paper_is_recorded_once_and_followed_until_somebody_acts() -> None:
    catalogue = load(TINY)
    known = Known()
    words = list(recordings(catalogue, known, NOW))
    assert {word.about for word in words} == set(catalogue.feeds)
    for word in words:
        assert isinstance(word.value, FeedGrants)
        known.grants[word.about] = word.value
    assert list(recordings(catalogue, known, NOW + DAY)) == []
    changed: dict[str, Feed] = {
        name: feed.model_copy(update={"purpose": "other"}) for name, feed in catalogue.feeds.items()
    }
    catalogue.feeds.update(changed)  # type: ignore[attr-defined]
    (first, *_) = recordings(catalogue, known, NOW + DAY)
    assert isinstance(first.value, FeedGrants)
    assert first.value.newest.id.endswith("#2")
    owner = first.value.newest.recorded_from
    revoked = first.value.newest.done(
        act_of(Person(name="li", party=owner, roles=frozenset({"approver"})), "revoke", "x", NOW + 2 * DAY, "misuse")
    )
    known.grants[first.about] = first.value.with_newer(revoked)
    assert first.about not in {word.about for word in recordings(catalogue, known, NOW + 3 * DAY)}


def test_a_person_is_a_file_of_the_home_and_nothing_else(tmp_path: Path) -> None:
    persons = Persons(tmp_path)
    li = Person(name="li", party="data", roles=frozenset({"approver"}))
    persons.add(li)
    assert persons.get("li@data") == li
    assert persons.all() == [li]
    path = tmp_path / "secrets/persons/li@data.json"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    path.write_text("{}")
    with pytest.raises(Denied, match="is no person"):
        persons.get("li@data")
    persons.remove("li@data")
    for wrong in ("li@data", "../li@data", "li"):
        with pytest.raises(Denied, match="is no person of this home"):
            persons.get(wrong)
        with pytest.raises(NotFound):
            persons.remove(wrong)


def test_the_bus_itself_decides_nothing() -> None:
    with pytest.raises(ActRefused, match="wrong-role"):
        act_of(THE_BUS, "approve", "x", NOW)
