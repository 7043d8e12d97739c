"""One stack for the whole session: what the tests that need real servers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.containers import containers, why_not
from tests.running_stack import RunningStack, free_ports

from gebus.kafka import Connection
from gebus.kafka.admin import Admin
from gebus.stack import artifacts
from gebus.stack.layout import ADMIN, Ports
from gebus.stack.report import Silent
from gebus.stack.stack import down, up

PROVIDERS = ("stack", "container")
WHY_NO_CONTAINERS = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        action="append",
        choices=PROVIDERS,
        help="run the integration tests on this broker alone: the local stack, or containers; else on all there are",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WHY_NO_CONTAINERS] = why_not()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "stack" in metafunc.fixturenames:
        chosen = (
            metafunc.config.getoption("--broker") or PROVIDERS[: 1 if metafunc.config.stash[WHY_NO_CONTAINERS] else 2]
        )
        # The other suites stop, pause and restart servers, which they do to the local stack alone.
        both = "integration" in metafunc.definition.path.parts
        metafunc.parametrize("stack", chosen if both else PROVIDERS[:1], indirect=True, scope="session")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if why := config.stash[WHY_NO_CONTAINERS]:
        terminalreporter.write_line(f"integration tests on containers: skipped: {why}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()):
            item.add_marker("stack")


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A fresh stack, taken down at the end of the session whatever happened."""
    home, ports = tmp_path_factory.mktemp("stack"), free_ports()
    if request.param == "container" and (why := request.config.stash[WHY_NO_CONTAINERS]):
        pytest.skip(why)
    provider = containers if request.param == "container" else local
    with provider(home, ports), Admin(Connection.load(ADMIN, home)) as admin:
        yield RunningStack(home, ports, admin)


@contextmanager
def local(home: Path, ports: Ports) -> Iterator[None]:
    try:
        up(home, artifacts.cache(), ports, Silent())
        yield
    finally:
        down(home, Silent())
