"""What is asked of the brokers beside the loop: answers that come later, in part, or never."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition

from gebus.lanes.ends import Ends, Presence
from gebus.lanes.places import Place
from gebus.model.errors import Denied

A, B = Place("a", 0), Place("b", 1)


class Asker:
    """Keeps the questions for the test to answer."""

    def __init__(self) -> None:
        self.open: dict[Any, Future[Any]] = {}

    def list_offsets(self, topic_partition_offsets: dict[TopicPartition, Any], **also: Any) -> dict[Any, Future[Any]]:
        assert also["request_timeout"] > 0
        self.open = {Place.of(partition): Future() for partition in topic_partition_offsets}
        return {place.kafka(): answer for place, answer in self.open.items()}

    def describe_topics(self, topics: TopicCollection, **also: Any) -> dict[str, Future[Any]]:
        assert isinstance(topics, TopicCollection)
        assert also["request_timeout"] > 0
        self.open = {topic: Future() for topic in ("a", "b")}
        return self.open

    def fail(self, what: Any, code: int) -> None:
        self.open[what].set_exception(KafkaException(KafkaError(code)))


def test_ends_are_told_when_all_have_answered() -> None:
    asker = Asker()
    ends = Ends(asker)
    ends.ask([A, B])
    asker.open[A].set_result(SimpleNamespace(offset=7))
    assert ends.answer() is None
    asker.open[B].set_result(SimpleNamespace(offset=0))
    assert ends.answer() == {A: 7, B: 0}


@pytest.mark.parametrize("code", [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._TIMED_OUT, KafkaError._NOENT])
def test_an_end_that_nobody_can_tell_now_is_left_out(code: int) -> None:
    asker = Asker()
    ends = Ends(asker)
    ends.ask([A, B])
    asker.open[A].set_result(SimpleNamespace(offset=7))
    asker.fail(B, code)
    assert ends.answer() == {A: 7}


def test_a_refusal_does_not_pass_by_itself() -> None:
    asker = Asker()
    ends = Ends(asker)
    ends.ask([A])
    asker.fail(A, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(Denied, match="asking for the end of a/0"):
        ends.answer()


def test_a_topic_is_missing_only_if_kafka_says_so() -> None:
    asker = Asker()
    presence = Presence(asker)
    presence.ask(["a", "b"])
    assert presence.answer() is None
    asker.fail("a", KafkaError.UNKNOWN_TOPIC_OR_PART)
    asker.fail("b", KafkaError._TIMED_OUT)
    assert presence.answer() == {"a": False}
