"""Which grants of a feed an act is about."""

from __future__ import annotations

import pytest
from tests.unit.model.test_grant import AUTHORITY, DAY, END, NOW, OWNER, STRANGER, asked, do, person, terms

from gebus.control.grants import _acted
from gebus.model.errors import ActRefused
from gebus.model.grant import FeedGrants, Grant
from gebus.model.sharing import Decider


def later(number: int, begins: int, owner: str = OWNER) -> Grant:
    """An approved grant that begins later."""
    which = terms(begins=begins, expires=begins + DAY)
    which = which.model_copy(update={"deciders": (Decider(party=owner, level=1, working_days=5, authority=None),)})
    return do(asked(which), "approve", owner).model_copy(update={"number": number})


ACTIVE = do(asked(terms()), "approve", OWNER)


def test_a_revocation_takes_what_flows_and_what_would_follow_in_one_write() -> None:
    held = FeedGrants(version=4, grants=(ACTIVE, later(2, END), later(3, END + DAY)))
    changed = _acted(held, person(OWNER), "revoke", NOW, "misuse")
    assert changed[0].number == 1
    newer = held.with_newer(*changed)
    assert newer.version == 5
    assert [one.state(NOW) for one in newer.grants] == ["revoked"] * 3


def test_what_flows_can_be_revoked_by_who_may_not_revoke_what_follows_but_not_the_other_way_round() -> None:
    held = FeedGrants(version=1, grants=(ACTIVE, later(2, END, STRANGER)))
    newer = held.with_newer(*_acted(held, person(AUTHORITY), "revoke", NOW, "misuse"))
    assert [one.state(NOW) for one in newer.grants] == ["revoked", "approved"]
    with pytest.raises(ActRefused, match="travel/trips#1"):
        _acted(held, person(STRANGER), "revoke", NOW, "misuse")


def test_every_other_act_is_about_the_newest_alone() -> None:
    held = FeedGrants(
        version=1, grants=(ACTIVE, asked(terms(begins=END, expires=END + DAY)).model_copy(update={"number": 2}))
    )
    (approved,) = _acted(held, person(OWNER), "approve", NOW, "")
    assert (approved.number, approved.state(NOW)) == (2, "approved")
    with pytest.raises(ActRefused, match=r"travel/trips#2: dispute of a grant that is requested"):
        _acted(held, person("travel"), "dispute", NOW, "because")
