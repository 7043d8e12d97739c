"""What a plan holds for the normal mode and for an emergency, and who sees more or less of it by a change."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gebus.model.catalogue import Catalogue
from gebus.model.errors import PlanError
from gebus.model.event import Mask
from gebus.plan import FeedDifference, FeedPlan, differences, explain, lanes, render
from gebus.testing import build

DATE = {"type": "int", "logicalType": "date"}
FIELDS = [
    {"name": "phone", "type": "string", "classification": 3, "identifies": "direct", "tells": "phone"},
    {"name": "age", "type": "int", "classification": 3, "identifies": "quasi", "generalised": Mask("band", width=10)},
    {"name": "case_no", "type": "long", "classification": 4, "identifies": "direct"},
    {
        "name": "citizen",
        "type": "string",
        "classification": 2,
        "identifies": "direct",
        "tells": "citizen-id",
        "masked": Mask("partial", first=0, last=4),
    },
    {"name": "born", "type": ["null", DATE], "classification": 1, "identifies": "quasi", "tells": "birth-date"},
]
NORMAL = [(3, "direct", 2, "token"), (3, "quasi", 2, "generalise"), (2, "direct", 2, "mask"), (1, "quasi", 2, "pass")]


def world(
    fields: dict[str, Any], emergency: Any = (), normal: Any = NORMAL, lists: Any = None, **changes: Any
) -> Catalogue:
    feed = build.feed([{"select": {"name": "out", "fields": fields}}], **{"tier": 2, "purpose": "relief", **changes})
    policy = build.policy_list(normal, emergency=emergency)
    return build.catalogue(build.event_schema("Report", FIELDS), [feed], policy=policy, **(lists or {}))


def planned(*args: Any, **changes: Any) -> FeedPlan:
    return lanes(world(*args, **changes))[0].feeds[0]


def projections(plan: FeedPlan) -> list[Any]:
    """The mask of the last field in each mode, None for a projection that is as ever."""
    select = plan.to_json()["select"]
    return [
        fields and (fields[-1]["mask"] or {"kind": "pass"})["kind"]
        for fields in (select["fields"], select["emergency"])
    ]


def test_what_an_emergency_does_not_change_is_projected_once() -> None:
    plan = planned({"phone": "e.phone"})
    assert projections(plan) == ["token", None]
    assert plan.fields[-1].words == "keyed token"


def test_an_emergency_has_a_projection_of_its_own() -> None:
    plan = planned({"phone": "e.phone"}, [(3, "direct", 2, "pass")])
    assert projections(plan) == ["token", "pass"]
    assert plan.fields[-1].words == "keyed token; in an emergency in clear"
    assert plan.to_json()["tokens"] == {"period": "month", "hash": "sha-256"}


def test_corrections_are_not_followed_where_an_emergency_shows_less() -> None:
    stricter = [(3, "direct", 2, "drop")]
    with pytest.raises(PlanError, match="dropped in an emergency, which tells less than keyed token"):
        planned({"phone": "e.phone"}, stricter, corrections="follow")
    assert planned({"phone": "e.phone"}, stricter, corrections="independent")
    assert planned({"phone": "e.phone"}, [(3, "direct", 2, "pass")], corrections="follow")


def test_what_an_emergency_alone_shows_is_null_for_the_rest_of_the_time() -> None:
    plan = planned({"no": "e.case_no"}, [(4, "direct", 2, "pass")])
    assert projections(plan) == ["null", "pass"]
    assert plan.output_schema["fields"][-1]["type"] == ["null", "long"]


def test_what_an_emergency_hides_is_null_while_it_holds() -> None:
    plan = planned({"age": "e.age"}, [(3, "quasi", 2, "drop")])
    assert projections(plan) == ["band", "null"]
    assert plan.output_schema["fields"][-1]["type"] == ["null", "int"]


def test_a_number_that_is_a_token_for_good_stays_one_in_an_emergency() -> None:
    plan = planned({"no": "e.case_no"}, [(4, "direct", 2, "pass")], [(4, "direct", 2, "token")])
    assert projections(plan) == ["token", None]
    assert plan.fields[-1].emergency.reason.endswith("that is of another type than keyed token: as in the normal mode")


def test_a_number_in_clear_that_an_emergency_makes_a_token_is_not_told_then() -> None:
    plan = planned({"no": "e.case_no"}, [(4, "direct", 2, "token")], [(4, "direct", 2, "pass")])
    assert projections(plan) == ["pass", "null"]
    assert plan.fields[-1].emergency.reason.endswith("that is of another type than in clear: nothing is told")


@pytest.mark.parametrize(("mode", "mask"), [("normal", "token"), ("emergency", "pass")])
def test_a_feed_of_one_mode_has_its_projection_alone(mode: str, mask: str) -> None:
    plan = planned({"phone": "e.phone"}, [(3, "direct", 2, "pass")], mode=mode)
    assert (projections(plan), plan.to_json()["mode"]) == ([mask, None], mode)


def test_a_token_without_a_rule_is_refused() -> None:
    rules = build.token_rules(purpose="tracing")
    with pytest.raises(PlanError, match="a token, and no rule how tokens for relief are made") as refused:
        planned({"phone": "e.phone"}, lists={"tokens": rules})
    assert "codes/token-rules.yaml with a rule for relief, or for any" in str(refused.value)
    assert planned({"age": "e.age"}, lists={"tokens": rules}).tokens is None, "no token, no rule"


def test_fields_of_one_view_are_judged_together() -> None:
    rule = build.combination_list({"citizen-id": "some", "birth-date": "day"})
    both = {"id": "e.citizen", "born": "e.born"}
    with pytest.raises(PlanError) as refused:
        planned(both, lists={"combinations": rule})
    says = str(refused.value)
    assert "`id` (first 0 and last 4 characters) beside `born` (in clear)" in says
    assert "no view with both, by rule-1: a test" in says
    assert "leave one of them out, or mask one of them more" in says
    less = {**both, "born": {"of": "e.born", "mask": {"generalise": {"date": "year"}}}}
    assert planned(less, lists={"combinations": rule}).name == "cdc/dear"


def test_they_are_judged_in_an_emergency_as_well() -> None:
    rule = build.combination_list({"citizen-id": "some", "birth-date": "day"})
    both = {"id": "e.citizen", "born": "e.born"}
    with pytest.raises(PlanError, match=r"`born` \(in clear\) in an emergency"):
        planned(both, [(1, "quasi", 2, "pass")], NORMAL[:3], lists={"combinations": rule})


def test_the_explanation_says_what_an_emergency_changes() -> None:
    catalogue = world({"phone": "e.phone", "age": "e.age"}, [(3, "direct", 2, "pass")])
    explanation = explain(lanes(catalogue), catalogue.feeds["cdc/dear"])
    phone, age = explanation["fields"][-2:]
    assert (phone["outcome"], phone["emergency"]["outcome"], age["emergency"]) == ("keyed token", "in clear", None)
    text = render(explanation)
    assert "in an emergency  in clear" in text
    assert "tokens: keyed anew each month, HMAC-SHA-256" in text
    assert "emergency.level-3.direct.tier-2" in text


def changed(before: Catalogue, after: Catalogue) -> list[FeedDifference]:
    return differences(lanes(before), lanes(after))


def told(before: Catalogue, after: Catalogue) -> list[str]:
    return [
        f"{one.field} {one.mode} {one.change}: {one.before} -> {one.after}"
        for feed in changed(before, after)
        for one in feed.fields
    ]


def test_nobody_gains_or_loses_by_no_change() -> None:
    one = world({"phone": "e.phone", "age": "e.age"})
    assert changed(one, one) == []


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        ("pass", ["phone normal gains: keyed token -> in clear", "phone emergency gains: keyed token -> in clear"]),
        (
            "drop",
            ["phone normal loses: keyed token -> not delivered", "phone emergency loses: keyed token -> not delivered"],
        ),
    ],
)
def test_who_gains_or_loses_is_told_in_each_mode(outcome: str, says: list[str]) -> None:
    fields = {"phone": "e.phone", "age": "e.age"}
    before, after = world(fields), world(fields, normal=[(3, "direct", 2, outcome), *NORMAL[1:]])
    assert told(before, after) == says
    assert all(word in " ".join(told(after, before)) for word in ("gains" if outcome == "drop" else "loses",))


def test_a_line_for_an_emergency_changes_that_mode_alone() -> None:
    before, after = world({"phone": "e.phone"}), world({"phone": "e.phone"}, [(3, "direct", 2, "pass")])
    assert told(before, after) == ["phone emergency gains: keyed token -> in clear"]


def test_new_and_gone_feeds_and_fields_are_told() -> None:
    one, two = world({"phone": "e.phone"}), world({"phone": "e.phone", "age": "e.age"})
    nothing = build.catalogue(build.event_schema("Report", FIELDS), [])
    assert [(feed.what, feed.consumer) for feed in changed(nothing, one)] == [("new", "cdc")]
    assert [feed.what for feed in changed(one, nothing)] == ["gone"]
    assert [line.partition(":")[0] for line in told(one, two)] == ["age normal gains", "age emergency gains"]
    assert [line.partition(":")[0] for line in told(two, one)] == ["age normal loses", "age emergency loses"]


def test_another_field_under_the_same_name_is_a_change() -> None:
    one, other = world({"value": "e.phone"}), world({"value": "e.citizen"})
    assert {line.split(" ")[2] for line in told(one, other)} == {"changes:"}


def test_a_finer_band_is_a_gain_and_an_incomparable_mask_a_change() -> None:
    def with_mask(mask: Any) -> Catalogue:
        return world({"age": {"of": "e.age", "mask": mask}})

    coarse, fine = ({"generalise": {"band": width}} for width in (100, 50))
    assert {line.split(" ")[2] for line in told(with_mask(coarse), with_mask(fine))} == {"gains:"}
    assert {line.split(" ")[2] for line in told(with_mask(fine), with_mask(coarse))} == {"loses:"}


def test_the_plan_is_the_same_text_each_time() -> None:
    catalogue = world({"phone": "e.phone"}, [(3, "direct", 2, "pass")])
    texts = {lanes(catalogue)[0].to_kernel() for _ in range(2)}
    assert len(texts) == 1
    assert json.loads(texts.pop())["feeds"][0]["mode"] == "any"
