"""What becomes of a decision before anything is written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.model.test_mode import RULES, party
from typer.testing import CliRunner

from gebus.cli import build
from gebus.control import modes
from gebus.control.log import Decide, _decided
from gebus.control.modes import Modes
from gebus.model.control import Known
from gebus.model.errors import ActRefused
from gebus.model.person import Person

NOW = 1_795_000_000_000
CHEN = Person(name="chen", party="command", roles=frozenset({"commander"}))


class Log:
    """Decides, and writes nothing."""

    def change(self, decide: Decide, tried: dict[str, Any]) -> Any:
        words, refusal = _decided(decide, Known(), NOW, tried["about"])
        if refusal is not None:
            (word,) = words
            assert word.value is None
            assert word.audit["outcome"] == "refused"
            raise refusal
        return words


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Modes:
    monkeypatch.setattr(modes, "level_rules", lambda *_: RULES)
    catalogue: Any = SimpleNamespace(parties={"command": party()})
    log: Any = Log()
    return Modes(log, catalogue)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"level": "V"}, "form"),
        ({"region": "Hubei"}, "form"),
        ({"document": ""}, "form"),
        ({"expires": -1}, "form"),
        ({"region": "110000"}, "too-wide"),
        ({"level": "I"}, "wrong-party"),
    ],
)
def test_a_mode_that_breaks_a_rule_is_refused_and_audited(desk: Modes, changed: dict[str, Any], rule: str) -> None:
    asked: dict[str, Any] = {"level": "II", "region": "420000", "document": "1", "expires": NOW + 1000, **changed}
    with pytest.raises(ActRefused) as refused:
        desk.open(CHEN, "flood", **asked)
    assert refused.value.rule == rule


def test_what_is_not_there_is_said_so(desk: Modes) -> None:
    with pytest.raises(ActRefused, match=r"there is none of this id: none.*gebus mode list"):
        desk.act(CHEN, "close", "flood")
    with pytest.raises(ActRefused, match="is of no party"):
        desk.open(
            CHEN.model_copy(update={"party": "nobody"}), "flood", level="II", region="420000", document="1", expires=1
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["li@nobody", "--role", "approver"], "has no party nobody"),
        (["Li!@ditu", "--role", "approver"], "'Li!' is no name"),
        (["li@ditu", "--role", "king"], "king is no role; allowed: applicant, approver, commander, operator"),
    ],
)
def test_who_cannot_be_a_person_is_refused(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(build(), ["person", "add", *arguments])
    assert said in str(done.exception)
