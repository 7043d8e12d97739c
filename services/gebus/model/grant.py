"""A grant: the approved permission behind a feed, as the acts that made it. Pure: who may do what, and when.

    requested --approve (each decider; level 2 after all of level 1)--> approved --begins--> active --> expired
        |  `--escalate: a deadline passed, the authority may decide in its stead        |        |
        `--refuse, with reasons--> refused --dispute--> disputed --approve, refuse by the authority
                                                                        revoked <--revoke-------'
    A grant that the catalogue names as decided on paper begins with `record` and is approved.

The state is never stored: it follows from the acts, and each act is checked again whenever a grant is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field

from gebus.model.base import Model, Name, PartyId
from gebus.model.errors import ActRefused
from gebus.model.feed import Feed, SelectStep
from gebus.model.person import BUS, Person, PersonId, Role, party_of
from gebus.model.sharing import Decider
from gebus.model.working_days import Deadline, deadline, shown

State = Literal["requested", "disputed", "refused", "approved", "active", "expired", "revoked"]
Verb = Literal["record", "request", "approve", "refuse", "dispute", "escalate", "revoke"]
Millis = Annotated[int, Field(ge=0, lt=1 << 47)]

ROLE_OF: Mapping[Verb, Role] = {
    "record": "operator",
    "request": "applicant",
    "approve": "approver",
    "refuse": "approver",
    "dispute": "applicant",
    "escalate": "operator",
    "revoke": "approver",
}
"""Which role each verb takes; `Grant.done` says of which party."""
_WITH_REASON = frozenset({"refuse", "dispute", "revoke"})
_HOLDS = frozenset({"requested", "disputed", "approved", "active"})
"""The states in which a grant keeps its period to itself."""
_MOST_ACTS, _MOST_GRANTS = 100, 16


class Act(Model):
    """What a person did to a grant, and when."""

    verb: Verb
    by: PersonId
    role: Role
    at: Millis
    reason: Annotated[str, Field(max_length=1000)] = ""


class Terms(Model):
    """What is asked for.

    Promised: a file that asks for a field, a topic contract, a higher tier or another purpose later delivers nothing.
    Not promised: the same of conditions, joins, corrections and mode, of which nothing is kept here: within the fields
    that were granted a file may let other records pass later. Who approves changes of the catalogue answers for that.
    """

    consumer: PartyId
    feed: Name
    purpose: Name
    tier: Annotated[int, Field(ge=1, le=4)]
    basis: Annotated[str, Field(min_length=1, max_length=1000)]
    fields: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
    """`<topic contract>.<field>`, sorted: what the feed selects."""
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    begins: Millis
    expires: Millis
    """The first instant at which nothing flows any more."""
    deciders: tuple[Decider, ...]

    @property
    def feed_id(self) -> str:
        return f"{self.consumer}/{self.feed}"


def asked(feed: Feed) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The fields, and the topic contracts, that a feed asks for."""
    fields: set[str] = set()
    for select in (step.select for step in feed.steps if isinstance(step, SelectStep)):
        for chosen in select.fields.values():
            path = chosen if isinstance(chosen, str) else chosen.of
            alias, _, rest = path.partition(".")
            fields.add(f"{feed.sources[alias]}.{rest}" if alias in feed.sources else path)
    return tuple(sorted(fields)), tuple(sorted(set(feed.sources.values())))


class Grant(Model):
    """One grant of a feed, the `number`-th. Its id is `<consumer>/<feed>#<number>`."""

    number: Annotated[int, Field(ge=1)]
    terms: Terms
    acts: Annotated[tuple[Act, ...], Field(min_length=1, max_length=_MOST_ACTS)]
    recorded_from: str = ""
    """Which party decided on paper, of a grant that begins with `record`."""

    @property
    def id(self) -> str:
        return f"{self.terms.feed_id}#{self.number}"

    def state(self, now: int) -> State:
        """What it is at an instant."""
        last = self._last("refuse", "revoke", "dispute")
        if last is not None and last.verb == "revoke":
            return "revoked"
        if not self._approved():
            # A period that is over can no longer be approved.
            if last is not None:
                return "refused" if last.verb == "refuse" else "disputed"
            return "requested" if now < self.terms.expires else "expired"
        if now >= self.terms.expires:
            return "expired"
        return "approved" if now < self.terms.begins else "active"

    def pending(self) -> tuple[Decider, ...]:
        """Whose word is awaited now; none once it is decided."""
        last = self._last("refuse", "revoke", "dispute")
        if last is not None:
            if last.verb != "dispute":
                return ()
            return self._judges(one for one in self.terms.deciders if not self._has_approved(one))
        for level in (1, 2):
            left = tuple(one for one in self._at(level) if not self._has_approved(one))
            if left:
                return left
        return ()

    def due(self, decider: Decider) -> Deadline:
        """Until when the decider should answer: counted from the request, the dispute, or the last word before it."""
        begin = self._last("dispute") or self.acts[0]
        if decider.level == 2 and begin.verb != "dispute":
            begin = max((act for act in self.acts if act.verb in ("request", "approve")), key=lambda act: act.at)
        return deadline(begin.at, decider.working_days)

    def overdue(self, now: int) -> tuple[Decider, ...]:
        """Those awaited whose deadline has passed, and who were not escalated yet."""
        known = {act.reason for act in self.acts if act.verb == "escalate"}
        return tuple(one for one in self.pending() if now >= self.due(one).at_ms and one.party not in known)

    def lets_flow(self, feed: Feed) -> str:
        """Nothing where the feed asks for no more than was granted, else what it asks for beyond, in words."""
        fields, sources = asked(feed)
        beyond = sorted({*fields, *sources} - {*self.terms.fields, *self.terms.sources})
        if beyond:
            return f"{', '.join(beyond)} was not granted"
        if feed.tier > self.terms.tier or feed.purpose != self.terms.purpose:
            granted = f"purpose {self.terms.purpose} at tier {self.terms.tier}"
            return f"purpose {feed.purpose} at tier {feed.tier} was not granted, but {granted}"
        return ""

    def done(self, act: Act) -> Grant:
        """The grant after one more act; ActRefused where it breaks a rule."""
        if len(self.acts) >= _MOST_ACTS:
            self._refuse(
                "too-many-acts", f"{len(self.acts)} acts were done to it", f"{_MOST_ACTS}", "ask for a new grant"
            )
        if act.at < self.acts[-1].at:
            found = f"{act.verb} at {shown(act.at)}, before the act before it at {shown(self.acts[-1].at)}"
            self._refuse("clock", found, "the same time or later", "the clock of this machine is behind: set it")
        self._entitled(act)
        self._in_order(act)
        if act.verb in _WITH_REASON and not act.reason.strip():
            self._refuse("no-reason", f"{act.by} gives no reason to {act.verb}", "a reason in words", "--reason TEXT")
        return self.model_copy(update={"acts": (*self.acts, act)})

    def checked(self) -> Grant:
        """The grant itself; ActRefused where it does not follow from its acts: somebody wrote it by hand."""
        first, rest = self.acts[0], self.acts[1:]
        grant = begun(self.number, self.terms, first, self.recorded_from)
        for act in rest:
            grant = grant.done(act)
        return grant

    def _entitled(self, act: Act) -> None:
        if act.role != ROLE_OF.get(act.verb):
            found = f"{act.by} acts as {act.role} to {act.verb}"
            self._refuse("wrong-role", found, f"the role {ROLE_OF.get(act.verb)}", "act as a person who has it")
        party = party_of(act.by)
        if act.verb in ("record", "request"):
            self._refuse("wrong-state", f"it was {self.acts[0].verb}ed already", "the first act alone", "")
        if act.verb == "escalate":
            allowed: tuple[str, ...] = (BUS,)
        elif act.verb == "dispute":
            allowed = (self.terms.consumer,)
        elif act.verb == "revoke":
            allowed = self._may_revoke()
        else:
            self._not_their_own(act, party)
            allowed = self._may_decide()
        if party not in allowed:
            found = f"{act.by} of {party} wants to {act.verb}"
            who = f"a person of {' or '.join(sorted(allowed)) or 'nobody: the contracts name no authority'}"
            self._refuse("wrong-party", found, who, f"`gebus grant show {self.terms.feed_id}` says who decides")

    def _not_their_own(self, act: Act, party: str) -> None:
        if party == self.terms.consumer or act.by == self.acts[0].by:
            found = f"{act.by} decides on what {self.acts[0].by} asked for"
            self._refuse("self-approved", found, f"a person of another party than {self.terms.consumer}", "")

    def _in_order(self, act: Act) -> None:
        state = self.state(act.at)
        if act.verb in ("approve", "refuse") and state == "expired":
            self._refuse("expired", f"its period ended at {shown(self.terms.expires)}", "a period still to come",
                         "ask for a new grant")  # fmt: skip
        wanted: Mapping[str, tuple[State, ...]] = {
            "approve": ("requested", "disputed"),
            "refuse": ("requested", "disputed"),
            "escalate": ("requested", "disputed"),
            "dispute": ("refused",),
            "revoke": ("approved", "active"),
        }
        if state not in wanted[act.verb]:
            self._refuse("wrong-state", f"{act.verb} of a grant that is {state}", " or ".join(wanted[act.verb]), "")
        if act.verb == "escalate" and act.reason not in {one.party for one in self.overdue(act.at)}:
            self._refuse("not-due", f"escalation of {act.reason or 'nobody'}", "a decider whose deadline passed", "")
        if act.verb == "dispute" and self._last("dispute") is not None:
            self._refuse("wrong-state", "it was disputed before, and the authority has decided", "one dispute", "")
        if act.verb == "dispute" and not self._authorities():
            self._refuse("no-authority", "the contracts name no authority that could decide", "one that they name", "")

    def _approved(self) -> bool:
        """Whether all deciders have, or for each that has not its authority after a dispute, or it was recorded so."""
        if self.acts[0].verb == "record":
            return True
        return bool(self.terms.deciders) and all(self._has_approved(one) for one in self.terms.deciders)

    def _has_approved(self, decider: Decider) -> bool:
        """Its own word, or the authority's in its stead; an authority's word counts at both levels."""
        disputed = False
        for act in self.acts:
            party, disputed = party_of(act.by), disputed or act.verb == "dispute"
            if act.verb == "approve" and (
                self._stands_for(decider, party) or (disputed and party == decider.authority)
            ):
                return True
        return False

    def _stands_for(self, decider: Decider, party: str) -> bool:
        escalated = any(act.verb == "escalate" and act.reason == decider.party for act in self.acts)
        return party == decider.party or (escalated and party == decider.authority)

    def _may_decide(self) -> tuple[str, ...]:
        found: list[str] = []
        for one in self.pending():
            found += [party for party in (one.party, one.authority) if party and self._stands_for(one, party)]
        return tuple(found)

    def _may_revoke(self) -> tuple[str, ...]:
        parties = {one.party for one in self.terms.deciders} | {one.party for one in self._authorities()}
        return tuple(sorted(parties | ({self.recorded_from} if self.recorded_from else set())))

    def _authorities(self) -> tuple[Decider, ...]:
        """Who could decide on a dispute in the stead of those who were asked first."""
        return self._judges(one for one in self.terms.deciders if one.authority or one.level == 2)

    @staticmethod
    def _judges(deciders: Iterable[Decider]) -> tuple[Decider, ...]:
        """The authority of each, itself where it has none."""
        found: dict[str, Decider] = {}
        for one in deciders:
            party = one.authority or one.party
            found[party] = Decider(party=party, level=2, working_days=one.working_days, authority=None)
        return tuple(found[party] for party in sorted(found))

    def _at(self, level: int) -> tuple[Decider, ...]:
        return tuple(one for one in self.terms.deciders if one.level == level)

    def _last(self, *verbs: Verb) -> Act | None:
        return next((act for act in reversed(self.acts) if act.verb in verbs), None)

    def _refuse(self, rule: str, found: str, allowed: str, next_step: str) -> None:
        raise ActRefused(rule, f"grant {self.id}", found, allowed, next_step)


def begun(number: int, terms: Terms, act: Act, recorded_from: str = "") -> Grant:
    """A grant by its first act, `request` or `record`; ActRefused where it breaks a rule."""
    what = f"grant {terms.feed_id}#{number}"
    if act.verb not in ("request", "record") or act.role != ROLE_OF[act.verb]:
        raise ActRefused("forged", what, f"it begins with {act.verb} as {act.role}", "request or record", "")
    wanted = terms.consumer if act.verb == "request" else BUS
    if party_of(act.by) != wanted:
        raise ActRefused("wrong-party", what, f"{act.by} wants to {act.verb}", f"a person of {wanted}", "")
    if (act.verb == "record") != bool(recorded_from) or recorded_from == terms.consumer:
        found = f"approved by {recorded_from or 'nobody'}"
        raise ActRefused("self-approved", what, found, f"a party other than {terms.consumer}", "")
    if terms.expires <= max(terms.begins, act.at if act.verb == "request" else 0):
        found = f"it ends at {shown(terms.expires)}, and begins at {shown(max(terms.begins, act.at))}"
        raise ActRefused("expired", what, found, "an end that lies after its beginning and after now", "--until DAY")
    if act.verb == "request" and not terms.deciders:
        raise ActRefused("no-decider", what, f"nobody but {terms.consumer} itself could decide",
                         "a contract whose sharing names an authority",
                         "add `sharing: {..., authority: PARTY}` to the topic contract")  # fmt: skip
    return Grant(number=number, terms=terms, acts=(act,), recorded_from=recorded_from)


def act_of(person: Person, verb: Verb, what: str, at: int, reason: str = "") -> Act:
    """A person's act; ActRefused where they lack its role."""
    person.must_be(ROLE_OF[verb], what, verb)
    return Act(verb=verb, by=person.id, role=ROLE_OF[verb], at=at, reason=reason)


class FeedGrants(Model):
    """The grants of one feed, oldest first: the value of its key in `gebus.grants`.

    Promised: no two of them are live in the same instant. Not promised: all there ever were; the audit has those.
    """

    version: Annotated[int, Field(ge=1)]
    """Counts the writes; who decides on what they saw says which version that was."""
    grants: Annotated[tuple[Grant, ...], Field(min_length=1, max_length=_MOST_GRANTS)]

    @property
    def newest(self) -> Grant:
        return self.grants[-1]

    def active(self, now: int) -> Grant | None:
        """The grant under which records flow at an instant."""
        return next((grant for grant in self.grants if grant.state(now) == "active"), None)

    def until(self, feed: Feed, now: int) -> int:
        """Until when records may flow, as of an instant; 0: not at all."""
        grant = self.active(now)
        return 0 if grant is None or grant.lets_flow(feed) else grant.terms.expires

    def with_more(self, grant: Grant, now: int) -> FeedGrants:
        """With a new grant, in the place of the oldest that holds no more where there are many; ActRefused where its
        period overlaps that of one that is live or asked for, or where too many are."""
        self._must_be_free(grant, now)
        kept = list(self.grants)
        if len(kept) == _MOST_GRANTS:
            over = next((one for one in kept if one.state(now) not in _HOLDS), None)
            if over is None:
                raise ActRefused("too-many", f"grant {grant.id}", f"{len(kept)} grants are live or asked for",
                                 f"{_MOST_GRANTS}", "let one end, or be refused or revoked")  # fmt: skip
            kept.remove(over)
        return FeedGrants(version=self.version + 1, grants=(*kept, grant))

    def with_newer(self, *grants: Grant) -> FeedGrants:
        """With grants in the place of what they were before; ActRefused where a dispute takes up a period that another
        grant has by now."""
        for grant in grants:
            if grant.acts[-1].verb == "dispute":
                self._must_be_free(grant, grant.acts[-1].at)
        newer = {grant.number: grant for grant in grants}
        return FeedGrants(version=self.version + 1, grants=tuple(newer.get(one.number, one) for one in self.grants))

    def _must_be_free(self, grant: Grant, now: int) -> None:
        """ActRefused where another grant keeps a part of the grant's period to itself."""
        mine = grant.terms
        for one in self.grants:
            theirs, state = one.terms, one.state(now)
            if one.number == grant.number or state not in _HOLDS:
                continue
            if mine.begins < theirs.expires and theirs.begins < mine.expires:
                raise ActRefused(
                    "overlapping", f"grant {grant.id}", f"its period overlaps that of {one.id}, {state}",
                    f"a beginning at {shown(theirs.expires)} or later",
                    "wait for its end, or let it be refused or revoked",
                )  # fmt: skip

    def checked(self, feed_id: str) -> FeedGrants:
        """The grants themselves; ActRefused where one does not follow from its acts, or stands under another feed."""
        for grant in self.grants:
            if grant.terms.feed_id != feed_id:
                raise ActRefused("forged", f"grant {grant.id}", f"it stands under {feed_id}", grant.terms.feed_id, "")
            grant.checked()
        return self
