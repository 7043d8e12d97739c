"""What is left of a field: the policy's outcome, and the stricter of it and the author's mask."""

from __future__ import annotations

from typing import Any

import pytest

from gebus.model.errors import PlanError
from gebus.model.event import EventField, Identifies, Mask
from gebus.policy import Outcome, Policy, combine, decide
from gebus.policy.masks import leaves_no_more
from gebus.testing.build import default_policy, policy_list
from gebus.testing.oracle_masks import masked

POLICY = Policy.from_codes(default_policy())
PARTIAL = Mask("partial", first=3, last=4)
CITY = Mask("division", digits=4)


def field(level: int = 2, identifies: Identifies = "none", avro: Any = "string", **masks: Mask | None) -> EventField:
    given = {"masked": None, "generalised": None, **masks}
    return EventField("phone", avro, level, identifies, given["masked"], given["generalised"], None, "a field")


def test_a_field_up_to_the_tier_passes() -> None:
    outcome = decide(field(level=2), 2, POLICY)
    assert outcome.mask is None
    assert outcome.reason == "level 2, identifies none, tier 2: pass"


@pytest.mark.parametrize(("identifies", "expected"), [("none", PARTIAL), ("quasi", CITY), ("direct", Mask("token"))])
def test_a_field_one_above_the_tier_is_masked(identifies: Identifies, expected: Mask) -> None:
    outcome = decide(field(identifies=identifies, masked=PARTIAL, generalised=CITY), 1, POLICY)
    assert outcome.mask == expected
    assert outcome.decided_by == "policy"


def test_a_field_further_above_is_dropped() -> None:
    outcome = decide(field(level=3), 1, POLICY)
    assert not outcome.delivered
    assert outcome.reason == "level 3, identifies none, tier 1: no line of the policy allows it"


@pytest.mark.parametrize("identifies", ["none", "quasi"])
def test_an_outcome_that_the_schema_does_not_explain_drops_the_field(identifies: Identifies) -> None:
    outcome = decide(field(identifies=identifies), 1, POLICY)
    assert not outcome.delivered
    assert outcome.reason.endswith("but the schema does not say how: dropped")


def test_a_token_of_a_record_is_impossible_and_drops_it() -> None:
    outcome = decide(field(identifies="direct", avro={"type": "array", "items": "string"}), 1, POLICY)
    assert not outcome.delivered
    assert outcome.reason.endswith("but keyed token needs a string, an int or a long: dropped")


def test_an_explicit_drop_line_drops() -> None:
    policy = Policy.from_codes(policy_list([(1, "any", 4, "drop")]))
    assert not decide(field(level=1), 4, policy).delivered


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(PlanError, match="field phone: its classification is 7; allowed: 1, 2, 3, 4"):
        decide(field(level=7), 4, POLICY)


def test_an_author_mask_that_does_not_fit_is_refused() -> None:
    with pytest.raises(PlanError, match="first 3 and last 4 characters needs a string"):
        decide(field(avro="long"), 4, POLICY, PARTIAL)


def test_an_envelope_field_passes_at_every_tier() -> None:
    region = EventField("region", "string", 1, "none", None, None, None, "")
    outcome = decide(region, 1, Policy(()))
    assert (outcome.mask, outcome.decided_by) == (None, "envelope")


@pytest.mark.parametrize(
    ("policy", "author", "result"),
    [
        (None, Mask("token"), Mask("token")),
        (None, Mask("drop"), Mask("drop")),
        (Mask("drop"), Mask("fixed", value="x"), Mask("drop")),
        (Mask("token"), Mask("null"), Mask("null")),
        (Mask("token"), Mask("fixed", value="x"), Mask("fixed", value="x")),
        (Mask("null"), PARTIAL, Mask("null")),
        (Mask("null"), Mask("fixed", value="x"), Mask("fixed", value="x")),
        (PARTIAL, Mask("partial", first=0, last=0), Mask("partial", first=0, last=0)),
        (PARTIAL, PARTIAL, PARTIAL),
        (PARTIAL, Mask("partial", first=0, last=4), Mask("null")),
        (CITY, Mask("division", digits=2), Mask("division", digits=2)),
        (CITY, Mask("division", digits=6), CITY),
        (Mask("date", unit="month"), Mask("date", unit="year"), Mask("date", unit="year")),
        (Mask("instant", unit="month"), Mask("instant", unit="day"), Mask("instant", unit="month")),
        (Mask("band", width=10), Mask("band", width=20), Mask("band", width=20)),
        (Mask("band", width=10), Mask("band", width=5), Mask("band", width=10)),
        (Mask("band", width=10), Mask("band", width=15), Mask("null")),
        (CITY, Mask("token"), Mask("null")),
        (Mask("token"), CITY, Mask("null")),
        (Mask("token"), PARTIAL, Mask("null")),
    ],
)
def test_the_stricter_wins(policy: Mask | None, author: Mask, result: Mask) -> None:
    outcome = combine(Outcome(policy, "policy", "the policy's reason"), author)
    assert outcome.mask == result
    assert outcome.reason


def test_a_partial_mask_that_shows_less_of_long_values_shows_more_of_short_ones() -> None:
    """Why `first 0, last 4` is not stricter than `first 3, last 4`: a value of six characters shows it."""
    assert masked("123456", PARTIAL, b"") == "******"
    assert masked("123456", Mask("partial", first=0, last=4), b"") == "**3456"
    assert not leaves_no_more(Mask("partial", first=0, last=4), PARTIAL)


def test_incomparable_masks_say_so() -> None:
    outcome = combine(Outcome(CITY, "policy", "level 2, identifies quasi, tier 1: generalise"), Mask("token"))
    assert outcome.decided_by == "both"
    assert outcome.reason == (
        "the feed's author chose: keyed token; level 2, identifies quasi, tier 1: generalise; "
        "neither is the stricter, so nothing is told"
    )
