"""Who may open, confirm and close an emergency, and where and when it holds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import get_args

import pytest

from gebus.model.base import Title
from gebus.model.errors import ActRefused
from gebus.model.mode import CONFIRM_MS, LevelRule, Mode, ModeAct, ModeVerb, division_prefix, mode_act, opened
from gebus.model.party import Party
from gebus.model.person import ROLES, Person, Role

DAY = 86_400_000
NOW = 1_795_000_000_000
RULES = {"I": LevelRule(0, 60), "II": LevelRule(2, 30), "IV": LevelRule(6, 7)}


def party(name: str = "command", region: str = "420000", *, commands: bool = True, kind: str = "department") -> Party:
    title = Title(zh="x", en="x")
    return Party(party=name, title=title, uscc="11420000000000107A", kind=kind, region=region, commands=commands)  # type: ignore[arg-type]


def act(verb: ModeVerb, name: str = "li", of: str = "command", role: Role = "commander", at: int = NOW) -> ModeAct:
    return ModeAct(verb=verb, by=f"{name}@{of}", role=role, at=at)


def mode(level: str = "II", region: str = "420000", expires: int = NOW + 10 * DAY) -> Mode:
    return Mode(
        mode="flood", level=level, region=region, authority="command", document="鄂政发 1", expires=expires,  # type: ignore[arg-type]
        acts=(act("open"),),
    )  # fmt: skip


PROPOSED = opened(mode(), party(), RULES)
HOLDS = PROPOSED.done(act("confirm", "wang", at=NOW + 1000))
CLOSED = HOLDS.done(act("close", at=NOW + DAY))


def test_it_holds_from_the_second_person_to_its_end_or_its_closing() -> None:
    assert (PROPOSED.state(NOW), PROPOSED.state(NOW + CONFIRM_MS)) == ("proposed", "ended")
    assert (HOLDS.state(NOW + 1000), HOLDS.state(HOLDS.expires - 1), HOLDS.state(HOLDS.expires)) == (
        "holds", "holds", "ended",
    )  # fmt: skip
    assert (CLOSED.state(NOW + DAY - 1), CLOSED.state(NOW + DAY)) == ("holds", "ended")
    assert HOLDS.since == NOW + 1000
    assert CLOSED.checked() == CLOSED


@pytest.mark.parametrize(
    ("region", "prefix"),
    [("420000", "42"), ("420100", "4201"), ("420103", "420103"), ("421000", "4210"), ("420103007", "420103007"),
     ("420103000000", "420103"), ("420103007012", "420103007012"), ("000000", ""), ("100000", ""), ("110000", "11")],
)  # fmt: skip
def test_a_division_and_all_below_it_begin_alike(region: str, prefix: str) -> None:
    assert division_prefix(region) == prefix


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ("wrong-party", lambda: opened(mode(), party(commands=False), RULES)),
        ("wrong-party", lambda: opened(mode(), party(kind="enterprise"), RULES)),
        ("wrong-party", lambda: opened(mode("I"), party(), RULES)),
        ("wrong-party", lambda: opened(mode(region="420100"), party(region="420100"), RULES)),
        ("too-wide", lambda: opened(mode(region="430000"), party(), RULES)),
        ("too-wide", lambda: opened(mode(region="000000"), party(), RULES)),
        ("too-wide", lambda: opened(mode("IV", "420000", NOW + DAY), party(region="420100"), RULES)),
        ("no-end", lambda: opened(mode(expires=NOW), party(), RULES)),
        ("no-end", lambda: opened(mode(expires=NOW + 31 * DAY), party(), RULES)),
        ("no-end", lambda: opened(mode(expires=(1 << 47) - 1), party(), RULES)),
        ("no-rule", lambda: opened(mode("III"), party(), RULES)),
        ("self-approved", lambda: PROPOSED.done(act("confirm"))),
        ("wrong-state", lambda: PROPOSED.done(act("confirm", "wang", at=NOW + CONFIRM_MS))),
        ("wrong-state", lambda: HOLDS.done(act("confirm", "wang", at=NOW + 2000))),
        ("wrong-state", lambda: CLOSED.done(act("close", at=NOW + DAY))),
        ("clock", lambda: HOLDS.done(act("close", at=NOW))),
        ("forged", lambda: HOLDS.model_copy(update={"acts": HOLDS.acts[1:]}).checked()),
    ],
)
def test_a_broken_rule_is_named(rule: str, broken: Callable[[], Mode]) -> None:
    with pytest.raises(ActRefused) as refused:
        broken()
    assert refused.value.rule == rule


@pytest.mark.parametrize(("verb", "stand"), list(product(get_args(ModeVerb), ["proposed", "holds", "closed"])))
def test_every_verb_of_every_party_and_role_but_the_authoritys_commanders_is_refused(
    verb: ModeVerb, stand: str
) -> None:
    may = {("confirm", "proposed"), ("close", "proposed"), ("close", "holds")}
    now = {"proposed": PROPOSED, "holds": HOLDS, "closed": CLOSED}[stand]
    for of, role in product(["command", "health", "gebus"], ROLES):
        one = act(verb, "wang", of, role, NOW + 2 * DAY if stand == "closed" else NOW + 2000)
        if (verb, stand) in may and of == "command" and role == "commander":
            now.done(one)
        else:
            with pytest.raises(ActRefused):
                now.done(one)


def test_who_is_no_commander_cannot_make_the_act() -> None:
    with pytest.raises(ActRefused, match="wrong-role"):
        mode_act(Person(name="li", party="command", roles=frozenset({"approver"})), "open", "flood", NOW)
