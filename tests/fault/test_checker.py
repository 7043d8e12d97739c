"""The checker is tested first: each anomaly is planted in a good history, and found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fault.checker import Anomaly, History, check


def good() -> History:
    """Four inputs of two keys, one of them a repeat, one dead; two feeds, of which one wants half."""
    history = History()
    for number in range(4):
        wanted = ["all", "even"] if number % 2 == 0 else ["all"]
        history.acknowledged(f"id-{number}", f"key-{number % 2}", number, wanted)
    history.acknowledged("id-0", "key-0", 4, ["all", "even"])
    history.acknowledged("poison", "key-1", 5, ["all"])
    for number in range(4):
        history.delivered("all", f"id-{number}")
    for number in (0, 2):
        history.delivered("even", f"id-{number}")
    history.dead("poison")
    history.account("all", taken=6, delivered=4)
    history.account("even", taken=6, delivered=2)
    return history


def drop(history: History, **match: object) -> None:
    history.events = [event for event in history.events if not match.items() <= event.items()]


def swap(history: History, feed: str, first: int, second: int) -> None:
    places = [index for index, event in enumerate(history.events) if event.get("feed") == feed]
    one, other = places[first], places[second]
    history.events[one], history.events[other] = history.events[other], history.events[one]


def test_a_good_history_is_clean() -> None:
    assert check(good()) == []


def plant_lost(history: History) -> None:
    drop(history, event="delivered", id="id-2")


def plant_duplicate(history: History) -> None:
    history.delivered("all", "id-1")


def plant_phantom(history: History) -> None:
    history.delivered("even", "id-1")


def plant_unknown_phantom(history: History) -> None:
    history.delivered("all", "never-sent")


def plant_dead_phantom(history: History) -> None:
    history.dead("never-sent")


def plant_order(history: History) -> None:
    swap(history, "all", 1, 3)


def plant_torn(history: History) -> None:
    drop(history, event="delivered", feed="even", id="id-2")


def plant_torn_account(history: History) -> None:
    drop(history, event="account", feed="all")
    history.account("all", taken=5, delivered=4)


@pytest.mark.parametrize(
    ("plant", "anomaly"),
    [
        (plant_lost, Anomaly("lost", "all", "id-2")),
        (plant_duplicate, Anomaly("duplicate", "all", "id-1")),
        (plant_phantom, Anomaly("phantom", "even", "id-1")),
        (plant_unknown_phantom, Anomaly("phantom", "all", "never-sent")),
        (plant_dead_phantom, Anomaly("phantom", "(dead letters)", "never-sent")),
        (plant_order, Anomaly("order", "all", "id-1")),
        (plant_torn, Anomaly("torn", "all, even", "id-2")),
        (plant_torn_account, Anomaly("torn", "all", "5 taken by account, 6 acknowledged")),
    ],
)
def test_a_planted_anomaly_is_found(plant: Callable[[History], None], anomaly: Anomaly) -> None:
    history = good()
    plant(history)
    assert anomaly in check(history)


def test_a_history_survives_its_file(tmp_path: Path) -> None:
    history = good()
    history.write(tmp_path / "history.jsonl")
    assert History.read(tmp_path / "history.jsonl") == history
