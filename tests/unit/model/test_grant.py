"""Who may do what to a grant, and what it is after it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gebus.model.errors import ActRefused
from gebus.model.grant import ROLE_OF, Act, FeedGrants, Grant, Terms, Verb, act_of, begun
from gebus.model.person import ROLES, THE_BUS, Person, Role
from gebus.model.sharing import STRICT, Decider, Sharing, deciders

DAY = 86_400_000
NOW = 1_795_000_000_000  # 2026-11-18
END = NOW + 100 * DAY
OWNER, CONSUMER, AUTHORITY, STRANGER = "health", "travel", "data", "press"


def person(party: str, *roles: Role) -> Person:
    return THE_BUS if party == "gebus" else Person(name="li", party=party, roles=frozenset(roles or ROLES))


def terms(levels: int = 1, authority: str | None = AUTHORITY, *, begins: int = NOW, expires: int = END) -> Terms:
    sharing = Sharing(kind="conditional", catalogued=True, levels=levels, authority=authority)  # type: ignore[arg-type]
    return Terms(
        consumer=CONSUMER, feed="trips", purpose="notify", tier=2, basis="a law",
        fields=("health.trip.row",), sources=("health.trip",), begins=begins, expires=expires,
        deciders=deciders(CONSUMER, {"health.trip": (OWNER, sharing)}),
    )  # fmt: skip


def do(grant: Grant, verb: Verb, party: str, at: int = NOW, reason: str = "because") -> Grant:
    return grant.done(act_of(person(party), verb, grant.id, at, reason))


def asked(which: Terms) -> Grant:
    return begun(1, which, act_of(person(CONSUMER), "request", "x", NOW))


REQUESTED = asked(terms())
APPROVED = do(REQUESTED, "approve", OWNER)
REFUSED = do(REQUESTED, "refuse", OWNER)
REVOKED = do(APPROVED, "revoke", OWNER)
DISPUTED = do(REFUSED, "dispute", CONSUMER)
LATE = NOW + 30 * DAY
ESCALATED = do(REQUESTED, "escalate", "gebus", LATE, OWNER)
FIRST_OF_TWO = do(asked(terms(2)), "approve", OWNER)
RECORDED = begun(1, terms(), act_of(THE_BUS, "record", "x", NOW), OWNER)
STANDS = {
    "requested": REQUESTED, "active": APPROVED, "refused": REFUSED, "revoked": REVOKED, "disputed": DISPUTED,
    "escalated": ESCALATED, "first of two": FIRST_OF_TWO, "recorded": RECORDED,
}  # fmt: skip
MAY: dict[tuple[str, str], set[str]] = {
    ("requested", "approve"): {OWNER},
    ("requested", "refuse"): {OWNER},
    ("requested", "escalate"): {"gebus"},
    ("active", "revoke"): {OWNER, AUTHORITY},
    ("refused", "dispute"): {CONSUMER},
    ("disputed", "approve"): {AUTHORITY},
    ("disputed", "refuse"): {AUTHORITY},
    ("escalated", "approve"): {OWNER, AUTHORITY},
    ("escalated", "refuse"): {OWNER, AUTHORITY},
    ("first of two", "approve"): {AUTHORITY},
    ("first of two", "refuse"): {AUTHORITY},
    ("recorded", "revoke"): {OWNER, AUTHORITY},
}
"""Everything that is allowed; all else is refused."""
PARTIES = (OWNER, CONSUMER, AUTHORITY, STRANGER, "gebus")


@pytest.mark.parametrize("verb", get_args(Verb))
@pytest.mark.parametrize("stand", STANDS)
def test_every_verb_of_every_party_and_role_but_those_that_may_is_refused(stand: str, verb: Verb) -> None:
    tried = 0
    for party, role in product(PARTIES, ROLES):
        grant = STANDS[stand]
        act = Act(verb=verb, by=f"wang@{party}", role=role, at=LATE, reason=OWNER if verb == "escalate" else "because")
        may = party in MAY.get((stand, verb), set()) and role == ROLE_OF[verb]
        if may:
            assert len(grant.done(act).acts) == len(grant.acts) + 1
        else:
            with pytest.raises(ActRefused):
                grant.done(act)
        tried += 1
    assert tried == len(PARTIES) * len(ROLES)


@pytest.mark.parametrize(("verb", "role"), [(verb, role) for verb, role in product(ROLE_OF, ROLES)])
def test_a_person_without_the_role_cannot_even_make_the_act(verb: Verb, role: Role) -> None:
    who = Person(name="li", party=OWNER, roles=frozenset({role}))
    if role == ROLE_OF[verb]:
        assert act_of(who, verb, "a grant", NOW, "").role == role
    else:
        with pytest.raises(ActRefused, match=f"wants to {verb}"):
            act_of(who, verb, "a grant", NOW)


def test_the_states_follow_from_the_acts_and_the_time() -> None:
    assert REQUESTED.state(NOW) == "requested"
    assert (APPROVED.state(NOW), APPROVED.state(END - 1), APPROVED.state(END)) == ("active", "active", "expired")
    assert do(asked(terms(begins=NOW + DAY)), "approve", OWNER).state(NOW) == "approved"
    assert (REFUSED.state(NOW), DISPUTED.state(NOW), REVOKED.state(NOW)) == ("refused", "disputed", "revoked")
    assert do(DISPUTED, "approve", AUTHORITY).state(NOW) == "active"
    assert do(DISPUTED, "refuse", AUTHORITY).state(NOW) == "refused"
    assert REQUESTED.state(END) == "expired"


def test_after_a_dispute_each_decider_or_its_own_authority_must_approve() -> None:
    both = terms().model_copy(
        update={
            "deciders": (
                Decider(party=OWNER, level=1, working_days=5, authority=AUTHORITY),
                Decider(party="police", level=1, working_days=5, authority="court"),
                Decider(party=STRANGER, level=1, working_days=5, authority=None),
            )
        }
    )
    grant = do(do(do(asked(both), "approve", "police"), "refuse", OWNER), "dispute", CONSUMER)
    assert [one.party for one in grant.pending()] == [AUTHORITY, STRANGER]
    with pytest.raises(ActRefused):
        do(grant, "approve", "court")
    grant = do(grant, "approve", AUTHORITY)
    assert grant.state(NOW) == "disputed", "who never answered has not approved"
    assert [one.party for one in grant.pending()] == [STRANGER]
    assert do(grant, "refuse", STRANGER).state(NOW) == "refused"
    assert do(grant, "approve", STRANGER).checked().state(NOW) == "active"


def test_two_levels_take_two_words_in_their_order() -> None:
    grant = asked(terms(2))
    with pytest.raises(ActRefused, match="a person of health"):
        do(grant, "approve", AUTHORITY)
    assert FIRST_OF_TWO.state(NOW) == "requested"
    assert do(FIRST_OF_TWO, "approve", AUTHORITY).state(NOW) == "active"


def test_an_owner_that_asks_itself_is_decided_on_by_the_authority() -> None:
    found = deciders(OWNER, {"health.trip": (OWNER, STRICT.model_copy(update={"authority": AUTHORITY}))})
    assert [one.party for one in found] == [AUTHORITY]
    with pytest.raises(ActRefused, match="names an authority"):
        asked(terms().model_copy(update={"deciders": deciders(OWNER, {"health.trip": (OWNER, STRICT)})}))


def test_an_escalation_needs_a_deadline_that_passed_and_is_made_once() -> None:
    (awaited,) = REQUESTED.pending()
    due = REQUESTED.due(awaited)
    assert due.certain
    with pytest.raises(ActRefused, match="not-due"):
        do(REQUESTED, "escalate", "gebus", due.at_ms - 1, OWNER)
    assert [one.party for one in REQUESTED.overdue(due.at_ms)] == [OWNER]
    assert do(REQUESTED, "escalate", "gebus", due.at_ms, OWNER).overdue(due.at_ms) == ()


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("expired", lambda: asked(terms(expires=NOW))),
        ("expired", lambda: asked(terms(begins=END, expires=END))),
        ("expired", lambda: do(REQUESTED, "approve", OWNER, END)),
        ("self-approved", lambda: do(REQUESTED, "approve", CONSUMER)),
        ("self-approved", lambda: begun(1, terms(), act_of(THE_BUS, "record", "x", NOW), CONSUMER)),
        ("no-reason", lambda: do(REQUESTED, "refuse", OWNER, NOW, " ")),
        ("clock", lambda: do(REQUESTED, "approve", OWNER, NOW - 1)),
        ("wrong-state", lambda: do(do(DISPUTED, "refuse", AUTHORITY), "dispute", CONSUMER)),
        ("no-authority", lambda: do(do(asked(terms(authority=None)), "refuse", OWNER), "dispute", CONSUMER)),
        ("forged", lambda: begun(1, terms(), act_of(person(OWNER), "approve", "x", NOW))),
    ],
)
def test_a_broken_rule_is_named(rule: str, broken: Callable[[], Grant]) -> None:
    with pytest.raises(ActRefused) as refused:
        broken()
    assert refused.value.rule == rule


def test_a_grant_written_by_hand_is_found() -> None:
    approve = Act(verb="approve", by=f"li@{CONSUMER}", role="approver", at=NOW)
    forged = REQUESTED.model_copy(update={"acts": (*REQUESTED.acts, approve)})
    for wrong in (forged, APPROVED.model_copy(update={"acts": APPROVED.acts[1:]})):
        with pytest.raises(ActRefused):
            FeedGrants(version=1, grants=(wrong,)).checked("travel/trips")
    with pytest.raises(ActRefused, match="forged"):
        FeedGrants(version=1, grants=(APPROVED,)).checked("press/trips")


def test_periods_do_not_overlap_and_may_follow_each_other() -> None:
    held = FeedGrants(version=1, grants=(APPROVED,))
    with pytest.raises(ActRefused) as refused:
        held.with_more(numbered(2, asked(terms(begins=END - 1, expires=END + DAY))), NOW)
    assert refused.value.rule == "overlapping"
    assert held.with_more(numbered(2, asked(terms(begins=END, expires=END + DAY))), NOW).version == 2
    assert held.with_newer(REVOKED).with_more(numbered(2, asked(terms())), NOW).newest.state(NOW) == "requested"


def numbered(number: int, grant: Grant) -> Grant:
    return grant.model_copy(update={"number": number})


def test_a_dispute_does_not_take_up_a_period_that_another_grant_has_by_now() -> None:
    held = FeedGrants(version=1, grants=(REFUSED,))
    assert held.with_newer(DISPUTED).newest.state(NOW) == "disputed"
    both = held.with_more(numbered(2, asked(terms())), NOW)
    with pytest.raises(ActRefused, match=r"overlaps that of travel/trips#2, requested.*\[overlapping\]"):
        both.with_newer(DISPUTED)
    gone = both.with_newer(do(both.newest, "refuse", OWNER))
    assert gone.with_newer(DISPUTED).grants[0].state(NOW) == "disputed"


def test_of_many_grants_the_oldest_that_holds_no_more_gives_way() -> None:
    def of_day(number: int) -> Grant:
        begins = NOW + number * DAY
        return numbered(number, asked(terms(begins=begins, expires=begins + DAY)))

    held = FeedGrants(version=1, grants=(of_day(1),))
    for number in range(2, 17):
        held = held.with_more(of_day(number), NOW)
    with pytest.raises(ActRefused, match=r"16 grants are live or asked for.*\[too-many\]"):
        held.with_more(of_day(17), NOW)
    held = held.with_newer(do(held.grants[4], "refuse", OWNER)).with_more(of_day(17), NOW)
    assert [one.number for one in held.grants] == [1, 2, 3, 4, *range(6, 18)]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(get_args(Verb)), st.sampled_from(PARTIES), st.integers(0, 120)), max_size=12
    ),
    levels=st.sampled_from([1, 2]),
)
def test_whatever_is_tried_nothing_flows_without_the_words_of_all_deciders(
    steps: list[tuple[Verb, str, int]], levels: int
) -> None:
    grant, now = asked(terms(levels)), NOW
    for verb, party, days in steps:
        now += days * DAY // 10
        try:
            grant = do(grant, verb, party, now, OWNER if verb == "escalate" else "because")
        except ActRefused:
            continue
    assert grant.checked() == grant
    if grant.state(now) == "active":
        said = {act.by.split("@")[1] for act in grant.acts if act.verb == "approve"}
        assert CONSUMER not in said
        assert AUTHORITY in said or (levels == 1 and OWNER in said)
        assert grant.acts[-1].verb != "revoke"


def test_the_decider_of_several_contracts_has_the_shortest_deadline() -> None:
    fast = Sharing(kind="unconditional", catalogued=True, levels=1, authority=AUTHORITY)
    found = deciders(CONSUMER, {"a.b": (OWNER, fast), "c.d": (OWNER, STRICT)})
    assert found == (Decider(party=OWNER, level=1, working_days=2, authority=AUTHORITY),)
