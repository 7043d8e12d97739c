"""The same said again is the same event; what changed is a revision."""

from __future__ import annotations

from gebus_connectors.sources.identity import Revisions, digest
from gebus_connectors.sources.reading import Event


def _said(revisions: Revisions, value: int, at: int = 1) -> Event:
    return revisions.say("e", at, "420000", {"value": value})


def test_a_repeat_is_the_very_event() -> None:
    revisions = Revisions("dxy", "info.rumor")
    assert _said(revisions, 1, at=1) is _said(revisions, 1, at=2)


def test_a_value_that_comes_back_is_a_new_revision() -> None:
    revisions = Revisions("dxy", "info.rumor")
    events = [_said(revisions, value) for value in (1, 537, 1)]
    assert [event.fields["revision"] for event in events] == [0, 1, 2]
    assert [event.fields["status"] for event in events] == ["ASSERTED", "CORRECTED", "CORRECTED"]
    assert len({event.event_id for event in events}) == 3


def test_a_retraction_keeps_the_content_and_happens_once() -> None:
    revisions = Revisions("dxy", "info.rumor")
    _said(revisions, 7)
    gone = revisions.retract("e", 9)
    assert gone is not None
    assert (gone.fields["status"], gone.fields["value"], gone.fields["occurred_at"]) == ("RETRACTED", 7, 9)
    assert revisions.retract("e", 10) is None
    assert revisions.retract("unknown", 10) is None
    again = _said(revisions, 7)
    assert (again.fields["status"], again.fields["revision"]) == ("ASSERTED", 2)


def test_ids_do_not_depend_on_the_run_but_on_party_and_content() -> None:
    ids = {_said(Revisions(party, "info.rumor"), 1).event_id for party in ("dxy", "dxy", "thepaper")}
    assert len(ids) == 2
    assert digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1}) != digest("a", {"x": 1, "y": 3})


def test_a_repr_holds_no_content() -> None:
    event = Revisions("cishan", "supply.donation").say("e", 1, "420000", {"donor_name": "王一"})
    assert "王一" not in repr(event)
