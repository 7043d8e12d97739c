"""The ids of topics: Kafka gives another one to a topic that is deleted and made anew under the same name."""

from __future__ import annotations

from collections.abc import Collection

from confluent_kafka import KafkaException, TopicCollection

from gebus.kafka import Connection
from gebus.kafka.lane_clients import open_asker
from gebus.lanes.errors import in_our_words, is_missing


def topic_ids(connection: Connection, topics: Collection[str], seconds: float) -> dict[str, str]:
    """The id of each topic that there is; SessionEnded where no answer comes for so long."""
    if not topics:
        return {}
    # Held until all have answered: a client that nobody holds is closed, and its questions with it.
    asker = open_asker(connection)
    asked = asker.describe_topics(TopicCollection(sorted(topics)), request_timeout=seconds)
    found: dict[str, str] = {}
    for topic, answer in asked.items():
        try:
            found[topic] = str(answer.result().topic_id)
        except KafkaException as error:
            if not is_missing(error.args[0]):
                raise in_our_words(error.args[0], f"asking for the id of {topic}") from error
    return found
