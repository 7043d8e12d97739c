"""A catalogue whose steps would forget what they remember: refused with what is lost, unless it is asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.plan import journeys as j

from gebus.lanes.forms import CORRECTIONS, Life, Notes, forms, parse_notes
from gebus.lanes.settings import state_topic
from gebus.model.errors import Finding
from gebus.plan import lanes
from gebus.provision import Desired, Observed, desired
from gebus.provision.forgetting import findings, notes

FEED, STEP = "cdc/dear", "cdc/dear.same-journey"
NOW, DAY = 1_800_000_000_000, 86_400_000
NOTHING = Observed({}, {}, frozenset(), frozenset(), frozenset())
RENAMED: dict[str, Any] = {"name": "same-train"}


class Lines:
    """Where a test's feed would be written."""

    def line(self, file: str, path: tuple[str | int, ...]) -> int:
        assert file == f"feeds/{FEED}.yaml"
        return 10 + int(path[1]) if len(path) > 1 else 5


def wanted(*, corrections: str = "independent", out: dict[str, Any] = j.OUT, **changes: Any) -> Desired:
    catalogue = j.world(j.joined(j.join(**changes), out, corrections=corrections))
    return desired(catalogue, lanes(catalogue))


def reached(there: Desired, before: Observed = NOTHING, now_ms: int = NOW) -> Observed:
    """What is there once it was applied."""
    known = {name: note.to_json() for name, note in (*before.notes.feeds.items(), *before.notes.lives.items())}
    new = {note.name: note.value for note in notes(there, before, now_ms)}
    return replace(before, topics={**before.topics, **there.topics}, notes=parse_notes((known | new).items()))


def found(after: Desired, there: Observed, forget: Collection[str] = (), now_ms: int = NOW + DAY) -> list[Finding]:
    return list(findings(after, there, Lines(), now_ms, forget))


def test_what_was_applied_is_applied_again_without_a_word() -> None:
    there = reached(wanted())
    assert list(there.notes.feeds) == [FEED]
    assert found(wanted(within="20d", most=3), there) == []
    assert list(notes(wanted(), there, NOW + DAY)) == []


def test_another_key_of_the_join_is_refused_with_its_line_and_what_is_lost() -> None:
    (finding,) = found(wanted(on=("carrier_no",)), reached(wanted()))
    assert (finding.line, finding.rule) == (10, "state")
    assert finding.found.startswith("join same-journey: `on` - service_date: it would begin empty in lane ")
    assert f"`gebus apply --forget {STEP}`" in finding.next_step
    assert "what waits for a partner is forgotten" in finding.next_step


def test_another_name_is_refused_where_the_steps_of_the_feed_begin() -> None:
    (finding,) = found(wanted(**RENAMED), reached(wanted()))
    assert finding.line == 5
    assert finding.found.startswith("no join same-journey any more")


def test_what_may_be_forgotten_is_noted_and_an_old_name_does_not_come_back_unsaid() -> None:
    first = reached(wanted())
    assert found(wanted(**RENAMED), first, [STEP]) == []
    (note,) = notes(wanted(**RENAMED), first, NOW + DAY)
    assert note.detail == "remembered by same-train; forgotten: same-journey"
    second = reached(wanted(**RENAMED), first, NOW + DAY)
    assert found(wanted(**RENAMED), second) == [], "said once"
    back, gone = sorted(found(wanted(), second), key=lambda finding: finding.found)
    assert back.found.startswith("join same-journey is there again, which was taken out at 2027-01-16 ")
    assert "the name from 2027-" in back.allowed
    assert gone.found.startswith("no join same-train any more")
    assert found(wanted(), second, [STEP, f"{FEED}.same-train"]) == []


def test_a_form_that_could_not_be_read_is_refused_also_if_it_may_be_forgotten() -> None:
    there = reached(wanted())
    for forget in ([], [STEP]):
        (finding,) = found(wanted(matches="latest"), there, forget)
        assert finding.found.startswith("join same-journey: `matches` was each-pair, and is latest: ")
        assert "could not read what it remembers" in finding.found
        assert "give the step another name and then `gebus apply --forget" in finding.next_step
    assert found(wanted(matches="latest", **RENAMED), there, [STEP]) == []


def test_what_is_kept_of_a_side_is_named_by_its_fields() -> None:
    wider = {"select": {"name": "notice", "fields": {"seat_no": "seat.seat", "row": "trip.row"}}}
    (finding,) = found(wanted(out=wider), reached(wanted()))
    assert "`fields of trip` + row int: " in finding.found


def test_corrections_that_are_no_longer_followed_are_refused() -> None:
    said = found(wanted(), reached(wanted(corrections="follow")))
    assert [finding.line for finding in said] == [10, 5]
    assert said[1].found.startswith("no `corrections: follow` any more")
    assert f"--forget {FEED}.{CORRECTIONS}`" in said[1].next_step


def test_a_feed_that_leaves_and_comes_back_is_noted() -> None:
    first = reached(wanted())
    without = replace(wanted(), forms={})
    assert found(without, first) == []
    (note,) = notes(without, first, NOW + DAY)
    assert "not in the catalogue any more" in note.detail
    second = reached(without, first, NOW + DAY)
    assert found(wanted(), second) == []
    (note,) = notes(wanted(), second, NOW + 2 * DAY)
    assert "there again since 2027-01-16 " in note.detail
    assert "without what came between" in note.detail


def test_a_state_that_is_made_anew_is_said_to_be_gone() -> None:
    there = reached(wanted())
    lane = next(iter(there.notes.lives))
    assert there.notes.lives[lane] == Life(NOW, anew=False)
    left = replace(there, topics={name: one for name, one in there.topics.items() if name != state_topic(lane)})
    (note,) = notes(wanted(), left, NOW + DAY)
    assert note.name == lane
    assert "what the lane remembered and counted is gone with it" in note.detail
    assert f"`gebus reset-offsets {lane}`" in note.detail
    assert parse_notes([(lane, note.value)]) == Notes({}, {lane: Life(NOW + DAY, anew=True)})


@pytest.mark.parametrize("corrections", ["independent", "follow"])
def test_every_form_has_a_place_in_its_feed(corrections: str) -> None:
    there = wanted(corrections=corrections)
    assert there.forms == forms(lanes(j.world(j.joined(j.join(), j.OUT, corrections=corrections))))
    assert {(feed, form.step) for feed, each in there.forms.items() for form in each} <= there.step_places.keys()
