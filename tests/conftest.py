"""One stack for the whole session: what the tests that need real servers share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.running_stack import RunningStack, free_ports

from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.stack import artifacts
from gebus.stack.layout import ADMIN
from gebus.stack.report import Silent
from gebus.stack.stack import down, up


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A fresh stack, taken down at the end of the session whatever happened."""
    home, ports = tmp_path_factory.mktemp("stack"), free_ports()
    try:
        up(home, artifacts.cache(), ports, Silent())
        with Admin(Connection.load(ADMIN, home)) as admin:
            yield RunningStack(home, ports, admin)
    finally:
        down(home, Silent())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")
