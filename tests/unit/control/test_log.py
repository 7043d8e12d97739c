"""What becomes of a decision before anything is written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from tests.unit.lanes.fake_kafka import ManualClock
from tests.unit.model.test_mode import RULES, party
from typer.testing import CliRunner

from gebus.cli import build
from gebus.control import log, modes
from gebus.control.log import ControlLog, Decide, Written, _decided
from gebus.control.modes import Modes
from gebus.kafka import lane_clients
from gebus.model.control import Known
from gebus.model.errors import ActRefused, Unavailable
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


class Writers:
    """The writers that are opened one after the other; all but those after `overtaken` are overtaken at `step`."""

    def __init__(self, step: str, overtaken: int) -> None:
        self.step, self.overtaken = step, overtaken
        self.opened = 0
        self.waits: list[float] = []
        self.clock = ManualClock()
        self.landed: list[Any] = []

    def open(self, _: Any) -> Any:
        self.opened += 1
        return self

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.clock.pass_(seconds)

    def _reach(self, step: str) -> None:
        if self.opened <= self.overtaken and step == self.step:
            raise KafkaException(KafkaError(KafkaError._FENCED))

    def init_transactions(self, _: float) -> None:
        self.clock.pass_(0.3)
        self._reach("init")

    def begin_transaction(self) -> None:
        self.landed.clear()

    def produce(self, *_: Any, on_delivery: Any, **__: Any) -> None:
        self.landed.append(on_delivery)

    def flush(self, _: float) -> int:
        lost = self.opened <= self.overtaken and self.step == "delivery"
        for report in self.landed:
            message = SimpleNamespace(offset=lambda: 7, timestamp=lambda: (2, self.clock.now_ms()))
            report(KafkaError(KafkaError._PURGE_QUEUE) if lost else None, message)
        return 0

    def abort_transaction(self, _: float) -> None:
        self._reach("delivery")

    def commit_transaction(self, _: float) -> None:
        self._reach("commit")


def overtaken(monkeypatch: pytest.MonkeyPatch, step: str, times: int) -> tuple[ControlLog, Writers]:
    writers = Writers(step, times)
    nothing: Any = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(log, "require_answer", lambda _: None)
    monkeypatch.setattr(log, "open_control_writer", writers.open)
    monkeypatch.setattr(log, "open_reader", lambda *_: nothing)
    monkeypatch.setattr(log, "read_to_end", lambda *_: [])
    connection: Any = None
    return ControlLog(connection, writers.clock, writers.wait), writers


@pytest.mark.parametrize("step", ["init", "delivery", "commit"])
def test_who_is_overtaken_waits_longer_each_time_and_decides_again(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    control, writers = overtaken(monkeypatch, step, 4)
    decided: list[int] = []

    def decide(_: Known, now: int) -> list[Written]:
        decided.append(now)
        return [Written("flood", None)]

    assert control.change(decide, {}).offsets == {"": 7}
    assert writers.opened == 5
    assert len(decided) == (1 if step == "init" else 5)
    for number, wait in enumerate(writers.waits):
        assert 0.25 * 2**number / 2 <= wait <= 0.25 * 2**number


def test_who_is_overtaken_for_ever_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    control, writers = overtaken(monkeypatch, "commit", 1000)
    with pytest.raises(Unavailable, match=r"tries in 10 s were overtaken.*nothing was written, try again"):
        control.change(lambda *_: [Written("flood", None)], {})
    assert 4 < writers.opened < 12
    assert sum(writers.waits) < 10


def test_that_a_later_writer_has_taken_over_is_not_logged_as_critical(caplog: pytest.LogCaptureFixture) -> None:
    logger = lane_clients._control_log
    logger.critical("%s", "FATAL [gebus-control#producer-26]: This instance has been fenced by a newer instance")
    logger.error("%s", "FAIL [gebus-control#producer-26]: Connect failed")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
