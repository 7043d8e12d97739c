"""A feed that joins or reconciles: its way through the kernel, its accounts, its state."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gebus_kernel import Kernel, Step
from tests.unit.kernel.related import LANE, WITHIN, Related, seat, sent, trip
from tests.unit.kernel.support import DAY, NOW, Fake, call, const, name, where

PHONES = {"name": "cdc/contacts.one", "source": None, "feed": "cdc/contacts", "key": ["seat.phone"], "window_ms": DAY}
EVENTS = {"name": "event_id.1d", "source": 0, "key": ["event_id"], "window_ms": DAY}
COUNTS = ("taken", "more", "delivered", "filtered", "duplicate", "withheld", "dead", "waiting")


def once(table: int) -> dict[str, Any]:
    return {"kind": "deduplicate", "name": "once", "table": table}


def near(limit: int) -> dict[str, Any]:
    return where(call("le", name("trip.row", "int"), const(limit)))


def counts(kernel: Kernel, topic: str, *names: str) -> tuple[int, ...]:
    (found,) = (row for row in kernel.accounts() if row.feed and row.topic == topic)
    every = {name: getattr(found, name) for name in COUNTS}
    assert every["taken"] + every["more"] == sum(every[name] for name in COUNTS[2:])
    return tuple(every[name] for name in names)


def pairs(related: Related, step: Step) -> list[tuple[int | None, str | None, str]]:
    return [(found["row"], found["phone"], found["status"]) for found in related.read(step)]


def phone(number: int) -> str:
    return f"138{number:08d}"


def test_a_join_brings_two_topics_together_and_accounts_for_each_record() -> None:
    related = Related(after=[near(2)])
    kernel = related.kernel()
    step = kernel.step([trip(1), trip(2), trip(3), seat(7), trip(1), seat(8, flight="MU1")])
    assert pairs(related, step) == [(1, phone(7), "ASSERTED"), (2, phone(7), "ASSERTED"), (1, phone(7), "ASSERTED")]
    kernel.commit(NOW)
    assert counts(kernel, "trip.jd", "taken", "more", "delivered", "waiting") == (4, 0, 1, 3)
    assert counts(kernel, "seat.jd", "taken", "more", "delivered", "filtered", "waiting") == (2, 2, 2, 1, 1)


def test_steps_before_look_at_a_side_and_steps_after_at_the_composite() -> None:
    low = where(call("lt", name("row", "int"), const(5)), "low")
    related = Related(before=([once(0), low], []), after=[once(1)], tables=[EVENTS, PHONES])
    kernel = related.kernel()
    step = kernel.step([trip(1), trip(1), trip(9), trip(2), seat(7)])
    assert pairs(related, step) == [(1, phone(7), "ASSERTED")]
    kernel.commit(NOW)
    assert counts(kernel, "trip.jd", "taken", "duplicate", "filtered", "waiting") == (4, 1, 1, 2)
    assert counts(kernel, "seat.jd", "taken", "more", "delivered", "duplicate") == (1, 1, 1, 1)


def test_a_record_too_many_is_a_dead_letter_of_the_feed_and_not_of_the_source() -> None:
    related = Related(most=2)
    kernel = related.kernel()
    step = kernel.step([trip(number) for number in range(6)])
    assert [(dead.index, dead.reason, dead.place) for dead in step.dead] == [
        (index, "too_many_matches", "cdc/contacts: same-flight") for index in range(2, 6)
    ]
    assert step.blocked == [], "the ceiling of the source, which is two in a row, is not concerned"
    kernel.commit(NOW)
    assert counts(kernel, "trip.jd", "taken", "dead", "waiting") == (6, 4, 2)
    assert [row.dead for row in kernel.accounts() if row.feed == "" and row.topic == "trip.jd"] == [0]


def test_what_is_too_large_to_keep_is_a_dead_letter() -> None:
    kernel = Related().kernel()
    step = kernel.step([seat(1, phone="x" * 460_000), seat(2, phone="x" * 440_000)])
    assert [(dead.index, dead.reason) for dead in step.dead] == [(0, "too_large")]
    assert all(len(value) < 512 * 1024 for *_, value in kernel.state())


def test_a_batch_that_made_too_much_is_taken_in_parts() -> None:
    related = Related(unmatched="left")
    kernel = related.kernel()
    long = "x" * 100_000
    kernel.step([trip(number) for number in range(100)])
    batch = [seat(number, phone=long) for number in range(20)]
    made, rounds = 0, 0
    while batch:
        step = kernel.step(batch)
        made += sum(len(outputs) for _, outputs in step.outputs)
        ((first, reason),) = [(blocked.index, blocked.reason) for blocked in step.blocked[:1]] or [(len(batch), "")]
        assert reason in ("batch_full", "")
        assert first > 0, "each batch takes something"
        batch, rounds = batch[first:], rounds + 1
    assert (made, rounds) == (2000, 3)
    kernel.commit(NOW)
    assert counts(kernel, "seat.jd", "taken", "more", "delivered") == (20, 1980, 2000)


def test_what_nothing_matched_is_told_by_a_tick_or_by_the_next_record() -> None:
    related = Related(unmatched="both")
    ticked, stepped = related.kernel(), related.kernel()
    batch = [trip(1), seat(2, flight="MU1"), seat(3, flight="HU9"), trip(3, flight="HU9")]
    later = NOW + WITHIN + 1
    expected = [(1, None, "ASSERTED"), (None, phone(2), "ASSERTED")]
    for kernel in (ticked, stepped):
        assert len(pairs(related, kernel.step(batch))) == 1
        kernel.commit(NOW)
    assert pairs(related, ticked.tick(LANE, 0, later - 1)) == []
    step = ticked.tick(LANE, 0, later)
    assert pairs(related, step) == expected
    assert [output["key"] for _, outputs in step.outputs for output in outputs] == [b"CA1234", b"MU1"]
    late = trip(9, flight="XX", time=later)
    assert pairs(related, stepped.step([late])) == expected
    ticked.step([late])
    for kernel in (ticked, stepped):
        kernel.commit(NOW)
        assert counts(kernel, "trip.ali", "taken", "more", "delivered") == (0, 1, 1)
        assert counts(kernel, "seat.ali", "taken", "more", "delivered") == (0, 1, 1)
    assert pairs(related, ticked.tick(LANE, 0, later)) == [], "once"


def test_what_time_brought_is_taken_back_by_a_rollback() -> None:
    related = Related(unmatched="left")
    kernel = related.kernel()
    kernel.step([trip(1)])
    kernel.commit(NOW)
    assert len(pairs(related, kernel.tick(LANE, 0, NOW + WITHIN + 1))) == 1
    kernel.rollback()
    assert len(pairs(related, kernel.tick(LANE, 0, NOW + WITHIN + 1))) == 1
    assert kernel.state() != []
    kernel.commit(NOW)
    assert kernel.state() == []
    assert kernel.tick(LANE, 0, NOW + 2 * WITHIN).outputs == []


def test_a_grant_that_expired_withholds_what_is_made() -> None:
    related = Related(expires=NOW + 5)
    kernel = related.kernel()
    kernel.step([trip(1), seat(1, time=NOW + 5)])
    kernel.commit(NOW)
    assert counts(kernel, "seat.jd", "taken", "withheld") == (1, 1)


def test_a_correction_of_a_side_corrects_what_was_made_of_it() -> None:
    low = where(call("lt", name("row", "int"), const(5)), "low")
    related = Related(follow=True, before=([low], []))
    kernel = related.kernel()
    batch = [trip(1), seat(1), trip(1, revision=1, row=2), trip(1, revision=1), trip(1, revision=2, row=9)]
    assert pairs(related, kernel.step(batch)) == [
        (1, phone(1), "ASSERTED"),
        (2, phone(1), "CORRECTED"),
        (2, phone(1), "RETRACTED"),
    ]
    kernel.commit(NOW)
    assert counts(kernel, "trip.jd", "taken", "delivered", "filtered", "waiting") == (4, 2, 1, 1)


def test_who_leaves_a_key_is_withdrawn_under_it() -> None:
    related = Related(follow=True, internal=True, before=([once(0)], []), tables=[EVENTS])
    kernel = related.kernel()

    def copy(alias: str, number: int, **more: Any) -> Fake:
        made = sent(alias, number, **more)
        return Fake(made.content, made.kafka_key, made.time, f"{alias}.all")

    moved = {"revision": 1, "event_id": "e-1", "flight": "MU1"}
    step = kernel.step(
        [copy("trip", 1), copy("seat", 1), copy("trip", 1, **moved), copy("trip", 1, **moved, key=b"CA1234")]
    )
    assert pairs(related, step) == [(1, phone(1), "ASSERTED"), (1, phone(1), "RETRACTED")]
    assert pairs(related, kernel.step([copy("seat", 2, flight="MU1")])) == [(1, phone(2), "CORRECTED")]


def test_reconcile_gives_the_winner_of_a_key() -> None:
    related = Related(reconcile=True)
    kernel = related.kernel()
    step = kernel.step(
        [trip(1, source="ali"), trip(2), trip(3, source="ali", revision=1), trip(2, revision=1, status="RETRACTED")]
    )
    told = [(found["row"], found["revision"], found["status"]) for found in related.read(step)]
    assert told == [(1, 0, "ASSERTED"), (2, 1, "CORRECTED"), (3, 2, "CORRECTED")]
    kernel.commit(NOW)
    assert counts(kernel, "trip.ali", "taken", "delivered", "waiting") == (2, 1, 1)


def restored(related: Related, log: list[tuple[bytes, bytes]]) -> Kernel:
    kernel = related.kernel()
    for key, value in log:
        kernel.restore(LANE, 0, key, value)
    return kernel


@pytest.mark.parametrize(
    "related",
    [
        Related(unmatched="both", follow=True),
        Related(unmatched="left"),
        Related(matches="latest"),
        Related(matches="valid-at", follow=True, unmatched="left"),
    ],
    ids=["pairs that follow", "pairs", "latest", "valid at"],
)
def test_the_log_and_the_dump_give_the_same_state_again(related: Related) -> None:
    kernel = related.kernel()
    log = []
    for first in range(3):
        kernel.step(
            [trip(first, time=NOW + first), seat(first, flight=f"F{first}", time=NOW + first), seat(9, revision=first)]
        )
        log += [(key, value) for _, _, key, value in kernel.state()]
        with pytest.raises(ValueError, match=f"lane {LANE}: slice 0: a transaction is open; commit it or roll it back"):
            kernel.dump(LANE, 0)
        kernel.commit(NOW)
    twins = [kernel, restored(related, log), restored(related, kernel.dump(LANE, 0))]
    assert len({tuple(row[:4]) for twin in twins for row in twin.state_size()}) == len(kernel.state_size())
    batch = [trip(0, revision=1), seat(1, revision=1), trip(7, flight="F1"), trip(8, time=NOW + WITHIN + 2)]
    seen = {json.dumps(related.read(twin.step(batch)), default=str) for twin in twins}
    assert len(seen) == 1
    assert seen != {"[]"}


def test_state_of_another_form_of_the_step_is_refused() -> None:
    kernel = Related().kernel()
    kernel.step([trip(1)])
    log = [(key, value) for _, _, key, value in kernel.state()]
    other = Related(matches="latest")
    with pytest.raises(
        ValueError, match=r"table cdc/contacts.same-flight.left was written by another form of its step"
    ):
        restored(other, log)


def test_state_is_forgotten_after_its_time() -> None:
    kernel = Related().kernel()
    kernel.step([trip(number) for number in range(50)])
    kernel.commit(NOW)
    sizes = {row[2]: row[3] for row in kernel.state_size()}
    assert sizes == {"cdc/contacts.same-flight.left": 50, "cdc/contacts.same-flight.right": 0}
    assert kernel.advance(LANE, 0, NOW + WITHIN) == 0
    assert kernel.advance(LANE, 0, NOW + WITHIN + WITHIN // 4) == 50


def test_a_clock_that_comes_within_a_transaction_counts_when_it_is_committed() -> None:
    kernel = Related().kernel()
    kernel.step([trip(number) for number in range(50)])
    kernel.commit(NOW)
    late = NOW + 2 * WITHIN
    for settle in (kernel.rollback, lambda: kernel.commit(NOW)):
        kernel.step([trip(99, time=late)])
        assert kernel.advance(LANE, 0, late) == 0
        settle()
    assert {row[2]: row[3] for row in kernel.state_size()}["cdc/contacts.same-flight.left"] == 1


def changed(related: Related, **more: Any) -> str:
    plan = json.loads(related.json())
    plan["feeds"][0] |= more
    return json.dumps(plan)


@pytest.mark.parametrize(
    ("plan", "found"),
    [
        (changed(Related(), relation=None), "feed cdc/contacts: without a join it names its source"),
        (
            changed(Related(), relation=Related().relation() | {"left": Related().side(0, "trip") | {"source": 7}}),
            "there is no source 7; the plan has 2",
        ),
        (
            Related(after=[once(0)], tables=[PHONES | {"source": 0, "feed": None, "key": ["row"]}]).json(),
            "other records",
        ),
        (Related(before=([once(0)], []), tables=[PHONES]).json(), "table 0 remembers other records than the step's"),
        (Related(tables=[PHONES | {"feed": "nobody"}]).json(), "the feed nobody has no relation"),
        (Related(tables=[PHONES | {"source": 1}]).json(), "it is either a source's or a feed's"),
        (Related(tables=[PHONES | {"key": ["seat.fax"]}]).json(), "no field `fax`"),
    ],
)
def test_a_related_plan_that_breaks_a_rule_is_refused(plan: str, found: str) -> None:
    with pytest.raises(ValueError, match="lane seat-trip: ") as caught:
        Kernel([plan])
    assert found in str(caught.value)
