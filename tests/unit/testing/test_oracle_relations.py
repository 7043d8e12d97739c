"""The oracle's joins and reconcile, sentence by sentence of what the steps promise."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gebus.model.relation import Join, Reconcile
from gebus.testing.oracle_derive import Answer, Arrival
from gebus.testing.oracle_join import EachPair, TableJoin
from gebus.testing.oracle_reconcile import Reconciled

WITHIN = 100


def record(event_id: str, entity: str = "", revision: int = 0, **changes: Any) -> dict[str, Any]:
    values = {
        "event_id": event_id,
        "entity_id": entity or event_id,
        "revision": revision,
        "status": "ASSERTED",
        "occurred_at": 0,
        "published_at": 0,
        "source": "jd",
        "region": "420100",
    }
    return values | changes


def arrival(alias: str, one: dict[str, Any], at: int = 0, key: str = "k", *, withdrawn: bool | None = None) -> Arrival:
    gone = one["status"] == "RETRACTED" if withdrawn is None else withdrawn
    return Arrival(one, alias, key, at, gone)


def join(**changes: Any) -> Join:
    values: dict[str, Any] = {
        "name": "both",
        "left": "trip",
        "right": "seat",
        "on": ("k",),
        "within": "100ms",
        "matches": "each-pair",
        "unmatched": "wait",
        "broadcast": "none",
        "most": 1000,
    }
    return Join.model_validate(values | changes)


def from_nought(_entity: str, _at_ms: int) -> int:
    """The consumer has nothing yet of any entity."""
    return 0


def pairs(*, follow: bool = False, **changes: Any) -> EachPair:
    return EachPair(join(**changes), WITHIN, follow=follow)


def table(*, follow: bool = False, matches: str = "latest", **changes: Any) -> TableJoin:
    return TableJoin(join(matches=matches, **changes), WITHIN, None, from_nought, follow=follow)


def told(answer: Answer) -> str | list[str]:
    """The outcome, or of each composite its sides' events, its status and its revision."""
    return answer.outcome or [
        f"{_sides(one.sides)} {one.envelope['status']} {one.envelope['revision']}" for one in answer.composites
    ]


def _sides(sides: Mapping[str, Any]) -> str:
    if "conflict" in sides:
        loser, winner, conflict = sides.values()
        return f"{loser['event_id']} against {winner['event_id']} in {conflict['differs']}"
    return "+".join("-" if side is None else str(side["event_id"]) for side in sides.values())


def alone(memory: EachPair, clock_ms: int) -> list[str]:
    return [str(told(Answer("", (composite,)))) for _, composite in memory.tick(clock_ms)]


def digest(*parts: str) -> str:
    packed = b"".join(len(part).to_bytes(4, "little") + part.encode() for part in parts)
    return hashlib.sha256(packed).hexdigest()[:32]


class TestEachPair:
    def test_either_side_may_come_first_and_each_partner_makes_a_pair_in_its_order(self) -> None:
        memory = pairs()
        assert told(memory.offer(arrival("seat", record("s1")))) == "waiting"
        assert told(memory.offer(arrival("seat", record("s2"), 1))) == "waiting"
        assert told(memory.offer(arrival("trip", record("t1"), 2))) == ["t1+s1 ASSERTED 0", "t1+s2 ASSERTED 0"]
        assert told(memory.offer(arrival("seat", record("s3"), 3))) == ["s3+t1 ASSERTED 0"]
        assert told(memory.offer(arrival("trip", record("t2"), 4, key="other"))) == "waiting"

    @pytest.mark.parametrize(("at", "outcome"), [(WITHIN, ["t+s ASSERTED 0"]), (WITHIN + 1, "waiting")])
    def test_a_partner_counts_up_to_the_very_end_of_its_time(self, at: int, outcome: Any) -> None:
        memory = pairs()
        memory.tick(0)
        memory.offer(arrival("seat", record("s")))
        memory.tick(at)
        assert told(memory.offer(arrival("trip", record("t"), at))) == outcome

    def test_the_envelope_derives_from_the_parents(self) -> None:
        memory = pairs()
        memory.offer(arrival("seat", record("s", "x", 2, source="ali", region="110000", occurred_at=9, published_at=5)))
        (composite,) = memory.offer(arrival("trip", record("t", "y", 1, occurred_at=3, published_at=7))).composites
        assert composite.envelope == {
            "event_id": digest("both", "t", "s"),
            "entity_id": digest("both", "jd", "y", "ali", "x"),
            "revision": 3,
            "status": "CORRECTED",
            "occurred_at": 9,
            "published_at": 7,
            "source": "jd",
            "region": "420100",
        }

    def test_what_matched_nothing_is_told_alone_when_its_time_is_over(self) -> None:
        memory = pairs(unmatched="both")
        memory.offer(arrival("trip", record("t1")))
        memory.offer(arrival("seat", record("s1"), 10, key="other"))
        memory.offer(arrival("trip", record("t2"), 20, key="third"))
        memory.offer(arrival("seat", record("s2"), 30, key="third"))
        assert alone(memory, WITHIN) == []
        assert alone(memory, WITHIN + 1) == ["['t1+- ASSERTED 0']"]
        assert alone(memory, 1000) == ["['s1+- ASSERTED 0']"]
        assert alone(memory, 2000) == []

    @pytest.mark.parametrize(("unmatched", "count"), [("wait", 0), ("left", 1), ("right", 1), ("both", 2)])
    def test_only_the_sides_that_are_named_are_told_alone(self, unmatched: str, count: int) -> None:
        memory = pairs(unmatched=unmatched)
        memory.offer(arrival("trip", record("t")))
        memory.offer(arrival("seat", record("s"), key="other"))
        assert len(alone(memory, 1000)) == count

    def test_one_too_many_is_refused_and_nothing_changes(self) -> None:
        memory = pairs(most=2)
        for number in range(2):
            memory.offer(arrival("seat", record(f"s{number}"), number))
        assert told(memory.offer(arrival("seat", record("s2"), 2))) == "dead"
        assert len(memory.offer(arrival("trip", record("t"), 3)).composites) == 2
        memory.tick(WITHIN + 1)
        assert told(memory.offer(arrival("seat", record("s3"), WITHIN + 1))) == ["s3+t ASSERTED 0"]

    def test_independent_events_stand_for_themselves(self) -> None:
        memory = pairs()
        memory.offer(arrival("seat", record("s1", "x", 1)))
        memory.offer(arrival("seat", record("s0", "x", 0), 1))
        memory.offer(arrival("seat", record("s2", "x", 2, status="RETRACTED"), 2, withdrawn=False))
        assert told(memory.offer(arrival("seat", record("s1", "x", 1), 3))) == "waiting", "a repeat takes its place"
        made = told(memory.offer(arrival("trip", record("t"), 4)))
        assert made == ["t+s0 ASSERTED 0", "t+s2 RETRACTED 2", "t+s1 CORRECTED 1"]

    def test_a_higher_revision_makes_its_pairs_anew_and_a_lower_one_nothing(self) -> None:
        memory = pairs(follow=True)
        memory.offer(arrival("trip", record("t")))
        assert told(memory.offer(arrival("seat", record("s1", "x", 1), 1))) == ["s1+t CORRECTED 1"]
        assert told(memory.offer(arrival("seat", record("s0", "x", 0), 2))) == "filtered"
        assert told(memory.offer(arrival("seat", record("s2", "x", 2), 3))) == ["s2+t CORRECTED 2"]
        assert told(memory.offer(arrival("trip", record("u"), 4))) == ["u+s2 CORRECTED 2"]

    def test_a_withdrawn_record_takes_its_pairs_back_and_is_forgotten_but_for_its_revision(self) -> None:
        memory = pairs(follow=True)
        memory.offer(arrival("trip", record("t")))
        memory.offer(arrival("seat", record("s0", "x", 0), 1))
        gone = record("s2", "x", 2, status="RETRACTED")
        assert told(memory.offer(arrival("seat", gone, 2))) == ["s2+t RETRACTED 2"]
        assert told(memory.offer(arrival("seat", record("s1", "x", 1), 3))) == "filtered"
        assert told(memory.offer(arrival("trip", record("u"), 4))) == "waiting"
        assert told(memory.offer(arrival("seat", record("s3", "x", 3), 5))) == ["s3+t CORRECTED 3", "s3+u CORRECTED 3"]

    def test_a_withdrawal_of_what_is_not_there_makes_nothing(self) -> None:
        memory = pairs(follow=True)
        memory.offer(arrival("trip", record("t")))
        assert told(memory.offer(arrival("seat", record("s1", "x", 1, status="RETRACTED"), 1))) == "filtered"
        assert told(memory.offer(arrival("seat", record("s0", "x", 0), 2))) == "filtered"


class TestTable:
    def test_the_latest_row_wins_and_a_left_record_waits_for_a_first_one(self) -> None:
        memory = table()
        assert told(memory.offer(arrival("trip", record("t1")))) == "waiting"
        assert told(memory.offer(arrival("seat", record("s1"), 1))) == ["t1+s1 ASSERTED 0"]
        assert told(memory.offer(arrival("seat", record("s2"), 2))) == "waiting"
        assert told(memory.offer(arrival("trip", record("t2", revision=4), 3))) == ["t2+s2 CORRECTED 4"]

    def test_the_valid_row_wins(self) -> None:
        memory = table(matches="valid-at")
        for at, occurred_at in enumerate([10, 30, 20]):
            memory.offer(arrival("seat", record(f"s{occurred_at}", occurred_at=occurred_at), at))
        assert told(memory.offer(arrival("trip", record("t25", occurred_at=25), 4))) == ["t25+s20 ASSERTED 0"]
        assert told(memory.offer(arrival("trip", record("t30", occurred_at=30), 5))) == ["t30+s30 ASSERTED 0"]
        assert told(memory.offer(arrival("trip", record("t9", occurred_at=9), 6))) == "waiting"
        assert told(memory.offer(arrival("seat", record("s10", occurred_at=10), 7))) == "waiting"
        assert told(memory.offer(arrival("seat", record("s8", occurred_at=8), 8))) == ["t9+s8 ASSERTED 0"]

    def test_unmatched_left_is_told_at_once_and_corrected_only_where_followed(self) -> None:
        memory = table(unmatched="left")
        assert told(memory.offer(arrival("trip", record("t")))) == ["t+- ASSERTED 0"]
        assert told(memory.offer(arrival("seat", record("s"), 1))) == "waiting"
        memory = table(unmatched="left", follow=True)
        assert told(memory.offer(arrival("trip", record("t")))) == ["t+- ASSERTED 0"]
        assert told(memory.offer(arrival("seat", record("s"), 1))) == ["t+s CORRECTED 1"]
        gone = record("s2", "s", 1, status="RETRACTED")
        assert told(memory.offer(arrival("seat", gone, 2))) == ["t+- CORRECTED 2"]

    def test_a_changed_row_is_told_again_and_a_lost_one_taken_back(self) -> None:
        memory = table(follow=True)
        memory.offer(arrival("seat", record("s", "x")))
        assert told(memory.offer(arrival("trip", record("t"), 1))) == ["t+s ASSERTED 0"]
        assert told(memory.offer(arrival("seat", record("s1", "x", 1), 2))) == ["t+s1 CORRECTED 1"]
        gone = record("s2", "x", 2, status="RETRACTED")
        assert told(memory.offer(arrival("seat", gone, 3))) == ["t+s2 RETRACTED 2"]
        assert told(memory.offer(arrival("seat", record("s3", "x", 3), 4))) == ["t+s3 CORRECTED 3"]

    def test_a_withdrawn_left_record_is_taken_back(self) -> None:
        memory = table(follow=True)
        memory.offer(arrival("seat", record("s")))
        memory.offer(arrival("trip", record("t", "y"), 1))
        gone = record("t1", "y", 1, status="RETRACTED")
        assert told(memory.offer(arrival("trip", gone, 2))) == ["t1+s RETRACTED 1"]
        assert told(memory.offer(arrival("trip", record("t2", "y", 2), 3))) == ["t2+s CORRECTED 2"]

    def test_the_entity_is_that_of_the_left_record(self) -> None:
        memory = table()
        memory.offer(arrival("seat", record("s")))
        (composite,) = memory.offer(arrival("trip", record("t", "y"), 1)).composites
        assert composite.envelope["entity_id"] == digest("both", "jd", "y")
        assert composite.envelope["event_id"] == digest("both", "t", "s")


def reconciled(offers: Sequence[tuple[str, int, dict[str, Any]]], **changes: Any) -> list[Any]:
    """What comes of assertions (party, append time, changes), in their order."""
    values: dict[str, Any] = {
        "name": "one",
        "of": "count",
        "key": ("k",),
        "authority": ("cdc", "jd"),
        "within": "100ms",
        "compare": ("x",),
        "gives": "winner",
        "most": 16,
    }
    memory = Reconciled(Reconcile.model_validate(values | changes), WITHIN, ["x"], from_nought)
    return [
        told(memory.offer(arrival("count", record(f"{party}{index}", party, source=party, **({"x": 1} | more)), at)))
        for index, (party, at, more) in enumerate(offers)
    ]


class TestReconcile:
    def test_the_authority_wins_then_the_revision_then_time_then_the_smaller_party(self) -> None:
        offers = [
            ("zz", 0, {}),
            ("yy", 1, {}),
            ("zz", 2, {"revision": 1}),
            ("jd", 3, {}),
            ("cdc", 4, {}),
            ("jd", 5, {}),
        ]
        assert reconciled(offers) == [
            ["zz0 ASSERTED 0"],
            ["yy1 CORRECTED 1"],
            ["zz2 CORRECTED 2"],
            ["jd3 CORRECTED 3"],
            ["cdc4 CORRECTED 4"],
            "filtered",
        ]

    def test_a_withdrawn_assertion_gives_way_and_the_last_one_is_retracted(self) -> None:
        gone = {"revision": 1, "status": "RETRACTED"}
        offers = [
            ("cdc", 0, {}),
            ("jd", 1, {}),
            ("cdc", 2, gone),
            ("jd", 3, gone),
            ("jd", 4, {}),
            ("jd", 5, {"revision": 2}),
        ]
        assert reconciled(offers) == [
            ["cdc0 ASSERTED 0"],
            "waiting",
            ["jd1 CORRECTED 1"],
            ["jd1 RETRACTED 2"],
            "filtered",
            ["jd5 CORRECTED 3"],
        ]

    def test_a_conflict_is_told_and_taken_back(self) -> None:
        offers = [
            ("cdc", 0, {"x": 1}),
            ("jd", 1, {"x": 1}),
            ("jd", 2, {"x": 2, "revision": 1}),
            ("yy", 3, {"x": 3}),
            ("cdc", 4, {"x": 2, "revision": 1}),
            ("yy", 5, {"revision": 1, "status": "RETRACTED"}),
        ]
        assert reconciled(offers, gives="conflicts") == [
            "waiting",
            "waiting",
            ["jd2 against cdc0 in x ASSERTED 0"],
            ["yy3 against cdc0 in x ASSERTED 0"],
            ["jd2 against cdc4 in  RETRACTED 1", "yy3 against cdc4 in x CORRECTED 1"],
            ["yy3 against cdc4 in  RETRACTED 2"],
        ]

    def test_one_party_too_many_is_refused(self) -> None:
        offers = [("aa", 0, {}), ("bb", 1, {}), ("cc", 2, {}), ("bb", 3, {"revision": 1})]
        assert reconciled(offers, most=2) == [["aa0 ASSERTED 0"], "waiting", "dead", ["bb3 CORRECTED 1"]]

    def test_an_assertion_that_was_not_repeated_is_forgotten_without_a_word(self) -> None:
        offers = [("cdc", 0, {}), ("jd", 90, {}), ("yy", WITHIN + 1, {})]
        assert reconciled(offers) == [["cdc0 ASSERTED 0"], "waiting", ["jd1 CORRECTED 1"]]
