"""The steps that bring records together: a join of two sources, and the reconciling of several parties.

What they make are composite records: the envelope, derived from the records that were brought together, then one
record for each side. A derived `event_id` is a digest of the step's name and the parents' ids, so a replay makes the
same ids; `status` is RETRACTED if a parent is, else CORRECTED if `revision` is above 0; `occurred_at` and
`published_at` are the latest of the parents, `source` and `region` those of the left record, of the right one where the
left is missing, or of the winner.

All times are append times of the log. A record is remembered for `within`, and at most an eighth of it longer.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gebus.model.base import Duration, FieldName, Model, Name, PartyId


class Join(Model):
    """Bring together the records of two sources that agree in the fields `on`, each remembered for `within`.

    matches: each-pair
        Which waits: both sides; either may come first. Emits: on arrival of a record, one composite for each remembered
        record of the other side that agrees and came at most `within` before, in their order of arrival. Unmatched:
        `wait` tells nothing of them; `left`, `right` and `both` emit a record of that side alone, the other side null,
        when it has matched nothing for `within`; where nothing is published meanwhile, up to half a minute later, and
        up to two where nothing came since a restart. The revision is the sum of the parents'.
    matches: latest
        Which waits: the left record, for a first row; the right side is a table and makes nothing by itself. Which row
        wins: the one of the same fields that came last. Emits: one composite on arrival of the left record if there is
        a row, else when the first one comes. Unmatched: `wait` waits for `within`; `left` emits at once, the right side
        null. The entity is the left record's, the revision too; with `corrections: follow` the entity is the left
        record's under its fields `on`, so that one which moves is retracted and begins anew, and the revision counts
        how often it was told, on from what the consumer still has.
    matches: valid-at
        As `latest`, but the row wins that has the latest `occurred_at` which is not after that of the left record.

    With `corrections: independent` each event stands for itself. With `corrections: follow` the identity is the entity
    (source and entity_id): a revision that is not above the remembered one adds nothing; a higher one takes its place
    and makes its pairs anew; one that is retracted, fails a condition of its side, or now has other fields `on`, makes
    the pairs of the remembered record again as RETRACTED and forgets it, but for its revision. For a table, each
    remembered left record whose row changes is emitted again, RETRACTED if it has none left and may not be alone.

    Promised: which pairs there are depends on the committed input alone, not on batches, workers or restarts. Beyond
    `most` remembered records of one side with the same fields a further one is a dead letter, `too_many_matches`, and
    none is dropped unseen; but of the rows of `latest`, of which the newest holds, the oldest gives way. A record of a
    broadcast side meets the records of all slices. Not promised: a pair further apart than `within`, nor that one is
    corrected or taken back by what comes later than that after either of its records, however long the consumer keeps
    it; an order between pairs of different fields; that a source that was rekeyed keeps its order against one that was
    not; and, as for every feed that follows corrections, a revision under another key of its own contract.
    """

    name: Name
    left: FieldName
    right: FieldName
    on: Annotated[tuple[FieldName, ...], Field(min_length=1, max_length=8)]
    """Fields that both sides have, of the same type, never null."""
    within: Duration
    matches: Literal["each-pair", "latest", "valid-at"]
    unmatched: Literal["wait", "left", "right", "both"]
    broadcast: Literal["none", "left", "right"]
    """The side that is small enough to be copied to every slice; the other side then keeps its own key."""
    most: Annotated[int, Field(ge=1, le=100_000)]


class Reconcile(Model):
    """Pick one of what several parties assert of the same thing: of what has the same fields `key`.

    Which waits: nobody; the newest assertion of each party and entity is remembered for `within`, and a revision that
    is not above it adds nothing. RETRACTED withdraws it. Which wins: the party that comes first in `authority`; those
    that it does not name rank behind it, as equals; among equals the higher revision, then the later `occurred_at`,
    then the smaller party id, then the smaller `entity_id`.

    The revision counts how often the thing, or the conflict of one loser, was told, on from what the consumer has.

    gives: winner
        Emits: the winning record whenever another event wins, of another party or of the same: first
        ASSERTED, then CORRECTED, RETRACTED when no assertion is left. The losers: wait to win.
    gives: conflicts
        Emits: for each loser whose fields `compare` differ from the winner's, the losing record, the winning one and
        the names of the fields that differ, whenever that pair of events is new; RETRACTED when they agree again or
        the loser is gone.

    Promised: who wins depends on the committed input alone. Beyond `most` assertions of one thing that stand, or twice
    as many with those that were withdrawn or never passed a condition, a further one is a dead letter,
    `too_many_matches`; a withdrawal is none but where it would make more than 32 MiB. Not promised: an assertion that
    is older than `within` and was not repeated; it is forgotten, and nothing is emitted because of that.
    """

    name: Name
    of: FieldName
    key: Annotated[tuple[FieldName, ...], Field(min_length=1, max_length=8)]
    authority: tuple[PartyId, ...]
    """First wins."""
    within: Duration
    compare: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    gives: Literal["winner", "conflicts"]
    most: Annotated[int, Field(ge=1, le=1000)]
