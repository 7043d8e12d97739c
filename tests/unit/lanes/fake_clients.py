"""What opens the fakes of Kafka for a worker, and the fake that is asked for ends."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.lanes.fake_kafka import FakeConsumer, FakeKafka, FakeProducer, Place

from gebus.lanes.forms import Notes


class FakeEnds:
    """Answers at the third look with the ends as they were when it was asked."""

    def __init__(self, kafka: FakeKafka) -> None:
        self.kafka = kafka
        self.questions: list[dict[Place, int]] = []
        self.looks = 0

    def ask(self, places: Iterable[Place]) -> None:
        self.questions.append({place: len(self.kafka.log[place]) for place in places})
        self.looks = 0

    def answer(self) -> dict[Place, int] | None:
        self.looks += 1
        return self.questions[-1] if self.looks > 2 else None


class FakePresence:
    """Answers at once."""

    def __init__(self, kafka: FakeKafka) -> None:
        self.kafka = kafka
        self.asked: dict[str, bool] = {}

    def ask(self, topics: Iterable[str]) -> None:
        self.asked = {topic: topic not in self.kafka.deleted for topic in topics}

    def answer(self) -> dict[str, bool] | None:
        return self.asked


class FakeClients:
    """Opens fakes, gives each new member of the group all of `places`, and remembers what it opened."""

    def __init__(self, kafka: FakeKafka, places: Iterable[Place]) -> None:
        self.kafka, self.places = kafka, list(places)
        self.sources: list[FakeConsumer] = []
        self.readers: list[FakeConsumer] = []
        self.producers: list[FakeProducer] = []
        self.asked: list[FakeEnds] = []
        self.noted = Notes()
        self.left: list[int] = []
        """The slots that were given up for good."""
        self.removed: list[tuple[int, str]] = []
        """The members of killed processes that were taken out."""

    def leave(self, slot: int, member: str | None = None) -> None:
        if member is not None:
            self.removed.append((slot, member))
            return
        assert self.sources[-1].closed, "a member leaves when it has closed"
        self.left.append(slot)

    def source_consumer(self, slot: int) -> FakeConsumer:
        self.kafka.generation += 1
        consumer = FakeConsumer(self.kafka, tells_end=True)
        consumer.give(self.places)
        self.sources.append(consumer)
        return consumer

    def state_consumer(self) -> FakeConsumer:
        self.readers.append(FakeConsumer(self.kafka, tells_end=True))
        return self.readers[-1]

    def producer(self, slot: int) -> FakeProducer:
        self.producers.append(FakeProducer(self.kafka, f"gebus.lanes.{slot}"))
        return self.producers[-1]

    def topic_ids(self, topics: Iterable[str], seconds: float) -> dict[str, str]:
        return {topic: self.kafka.ids[topic] for topic in topics if topic not in self.kafka.deleted}

    def notes(self) -> Notes:
        return self.noted

    def presence(self) -> FakePresence:
        return FakePresence(self.kafka)

    def ends(self) -> FakeEnds:
        self.asked.append(FakeEnds(self.kafka))
        return self.asked[-1]
