"""What the connector suites share: the bus, a network to break, and each connector in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.bus import Bus
from tests.contract.connectors import SINKS, SOURCES
from tests.contract.network import Relay


@pytest.fixture(scope="session")
def small_bus(stack) -> Bus:
    return Bus(stack)


@pytest.fixture
def bus(small_bus: Bus) -> Bus:
    """The bus, its topics empty."""
    small_bus.empty()
    return small_bus


@pytest.fixture
def relay() -> Iterator[Relay]:
    relay = Relay()
    yield relay
    relay.close()


@pytest.fixture(params=SOURCES, ids=lambda kind: kind.__name__)
def source_type(request: pytest.FixtureRequest):
    return request.param


@pytest.fixture(params=SINKS, ids=lambda kind: kind.__name__)
def sink_type(request: pytest.FixtureRequest):
    return request.param
