"""A live hour in seconds: paced events, and how long each took from its publisher to its consumers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from gebus.cli._demo.history import History, Told
from gebus.cli._demo.publishing import publish_events
from gebus.cli._demo.stage import Stage
from gebus_connectors.sdk import Subscriber
from gebus_connectors.sources.generator import GeneratorConfig, GeneratorSource

_STREAMS = (("wuhan2020", "supply.need"), ("cishan", "supply.donation"), ("dxy", "info.rumor"))
_EVENTS = 60
_INTERVAL = 0.05
LIVE_EVENTS = _EVENTS * len(_STREAMS)
_SEED = 7


def run_live(on: Stage, history: History, now_ms: int) -> None:
    """Publish three streams at a steady pace while their consumers read; enters every delivery's latency.

    Latency is the time from `published_at` to the moment at which the consumer holds the decoded record.
    """
    topics = {topic for _, topic in _STREAMS}
    feeds: dict[str, list[str]] = {}
    for feed in on.catalogue.feeds.values():
        if topics & set(feed.sources.values()):
            feeds.setdefault(feed.consumer, []).append(feed.id)
    ended, ready = threading.Event(), threading.Barrier(len(feeds) + 1, timeout=60)

    def follow(consumer: str) -> list[float]:
        latencies = []
        with Subscriber(on.connection(consumer), feeds[consumer], start="end") as subscriber:
            subscriber.poll(0.5)
            ready.wait()
            while (deliveries := subscriber.poll(0.5)) or not ended.is_set():
                now = time.time()
                latencies += [(now - _seconds(delivery.record["published_at"])) * 1000 for delivery in deliveries]
        return latencies

    def publish(party: str, topic: str) -> list[Told]:
        config = GeneratorConfig(party, topic, events=_EVENTS, seed=_SEED, begins=now_ms - 3_600_000)
        return publish_events(on, party, GeneratorSource(config).read(), lambda: time.sleep(_INTERVAL))

    with ThreadPoolExecutor(len(feeds) + len(_STREAMS), thread_name_prefix="live") as pool:
        followers = [pool.submit(follow, consumer) for consumer in feeds]
        try:
            ready.wait()
            for outcome in [pool.submit(publish, party, topic) for party, topic in _STREAMS]:
                history.told += outcome.result()
            on.wait_until_taken(30)
        finally:
            ready.abort()
            ended.set()
        for follower in followers:
            history.latencies_ms += follower.result()


def _seconds(instant: object) -> float:
    return instant.timestamp() if isinstance(instant, datetime) else float(str(instant)) / 1000
