"""`gebus test` and `gebus explain` on the shipped catalogue, and on one with a case that does not hold."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gebus.cli import build
from gebus.model.errors import NotFound

SHIPPED = Path(__file__).parents[2] / "schemas"
FEED = "xinhua-street/district-needs"


def gebus(*arguments: str, root: Path = SHIPPED) -> Result:
    return CliRunner().invoke(build(), [*arguments, "--catalogue", str(root)])


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """The shipped catalogue, with another expectation in one case."""
    root = tmp_path / "schemas"
    shutil.copytree(SHIPPED, root)
    file = root / "feeds" / f"{FEED}.yaml"
    before = file.read_text("utf-8")
    given, marker, expected = before.partition("expect:")
    after = given + marker + expected.replace("协和医院", "同济医院", 1)
    assert after != before
    file.write_text(after, "utf-8")
    return root


def test_all_cases_of_the_shipped_catalogue_hold_within_five_seconds() -> None:
    started = time.process_time()
    result = gebus("test")
    assert result.exit_code == 0, result.output
    assert "cases hold" in result.output
    assert time.process_time() - started < 5


def test_a_case_that_does_not_hold_is_shown_field_by_field(planted: Path) -> None:
    result = gebus("test", root=planted)
    assert result.exit_code == 1
    assert f"FAIL {FEED}: " in result.output
    assert "    hospital: expected '同济医院'\n              got      '协和医院'\n" in result.output
    assert "  given records: " in result.output
    assert "1 failed, " in result.output


def test_only_the_named_feeds_are_run(planted: Path) -> None:
    assert gebus("test", "ditu/clinics", root=planted).exit_code == 0
    assert " 1 feed," in gebus("test", "ditu/clinics", root=planted).output
    assert gebus("test", FEED, root=planted).exit_code == 1


def test_a_feed_that_is_not_there_is_refused_with_the_nearest() -> None:
    for command in ("test", "explain"):
        result = gebus(command, "ditu/clinic")
        assert result.exit_code == 1
        assert isinstance(result.exception, NotFound)
        assert "ditu/clinic: there is no such feed in" in str(result.exception)
        assert "did you mean `ditu/clinics`?" in str(result.exception)


def test_the_help_explains_the_format_of_a_case() -> None:
    text = " ".join(gebus("test", "--help").output.split())
    for word in ("given:", "expect:", "dead: wrong_key", "token:", "2020-02-01T00:00:00Z", "`at` alone"):
        assert word in text


def test_explain_prints_the_plan() -> None:
    result = gebus("explain", FEED)
    assert result.exit_code == 0, result.output
    for part in ("tier 2: organisations", "supply.need.wuhan2020", "event_id.14d", "found by region", "keyed token"):
        assert part in result.output


def test_explain_for_machines() -> None:
    explained = json.loads(gebus("explain", FEED, "--json").output)
    assert explained["delivers"]["topic"] == "feed.xinhua-street.district-needs"
