"""`gebus run processor` before anything connects, and the group that it shares with the lanes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gebus.cli import build, processors
from gebus.model.errors import GebusError
from gebus.processors.early_warning import EarlyWarning
from gebus.processors.metrics import Metrics


def test_without_the_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_faust(name: str, *also: Any) -> Any:
        return None if name == "faust" else find_spec(name, *also)

    monkeypatch.setattr(processors, "find_spec", without_faust)
    result = CliRunner().invoke(build(), ["run", "processor", "early-warning"])
    assert isinstance(result.exception, GebusError)
    assert str(result.exception) == (
        "faust-streaming: not installed; processors need the extra `processors`: pip install 'gebus[processors]'"
    )


def test_lanes_and_processors_are_run_by_one_group() -> None:
    result = CliRunner().invoke(build(), ["run", "--help"])
    assert result.exit_code == 0
    assert "lanes" in result.stdout
    assert "processor" in result.stdout


def test_every_series_of_a_metric_is_there_from_the_start() -> None:
    metrics = Metrics("p", ("taken", "late"))
    metrics.records["taken"].inc()
    value = metrics.registry.get_sample_value
    assert value("gebus_processor_records_total", {"processor": "p", "outcome": "taken"}) == 1
    assert value("gebus_processor_records_total", {"processor": "p", "outcome": "late"}) == 0
    assert value("gebus_processor_events_total", {"processor": "p", "status": "RETRACTED"}) == 0
    assert value("gebus_processor_keys", {"processor": "p"}) == 0
    assert value("gebus_processor_record_seconds_count", {"processor": "p"}) == 0


def test_every_metric_and_outcome_is_in_the_readme() -> None:
    text = (Path(__file__).parents[3] / "services/gebus/processors/README.md").read_text("utf-8")
    families = list(Metrics("p", ()).registry.collect())
    assert len(families) == 4
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert f"| `{name}` | {family.type} |" in text
        assert family.documentation in text
    for outcome in EarlyWarning.outcomes:
        assert f"`{outcome}`" in text
