"""`gebus policy show` and `gebus policy diff` on the shipped catalogue and on changes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gebus.cli import build
from gebus.model.errors import GebusError, NotFound

SHIPPED = Path(__file__).parents[2] / "schemas"
FEED = "xinhua-street/district-needs"


def gebus(*arguments: str, root: Path = SHIPPED) -> Result:
    return CliRunner().invoke(build(), ["policy", *arguments, "--catalogue", str(root)])


def change(root: Path, old: str, new: str) -> None:
    file = root / "codes" / "field-policy.yaml"
    before = file.read_text("utf-8")
    assert old in before
    file.write_text(before.replace(old, new), "utf-8")


@pytest.fixture
def stricter(tmp_path: Path) -> Path:
    """The shipped catalogue, with a policy that shows a street no more in an emergency."""
    root = tmp_path / "schemas"
    shutil.copytree(SHIPPED, root)
    change(
        root,
        "purpose: relief-delivery, mode: emergency, outcome: pass",
        "purpose: relief-delivery, mode: emergency, outcome: drop",
    )
    return root


def test_show_says_for_each_field_what_happens_and_why() -> None:
    output = gebus("show", FEED).output
    assert f"{FEED}: for relief-delivery, tier 2, mode any, policy " in output
    assert "tokens: keyed anew each year, HMAC-SHA-256; GB/T 37964-2019" in output
    _, _, phone = output.partition("contact_phone  need.contact_phone, level 3, identifies: direct\n")
    lines = [line.strip() for line in phone.splitlines()]
    assert lines[0] == "normal     keyed token"
    assert lines[1] == "level 3, identifies direct, tier 2: token"
    assert lines[2].startswith("level-3.direct.tier-2: Cybersecurity Law art. 42")
    assert lines[3] == "emergency  in clear"
    assert "always     in clear" in output


def test_show_for_machines() -> None:
    shown = json.loads(gebus("show", FEED, "--json").output)
    assert shown["tokens"] == {"period": "year", "hash": "sha-256"}
    modes = {field["name"]: {mode: one["outcome"] for mode, one in field["modes"].items()} for field in shown["fields"]}
    assert modes["contact_phone"] == {"normal": "keyed token", "emergency": "in clear"}
    assert modes["hospital"] == {"always": "in clear"}


def test_a_feed_that_is_not_there_is_refused_with_the_nearest() -> None:
    result = gebus("show", "xinhua-street/district-need")
    assert isinstance(result.exception, NotFound)
    assert FEED in str(result.exception)


def test_diff_says_who_gains_and_who_loses(stricter: Path) -> None:
    output = gebus("diff", "--against", str(SHIPPED), root=stricter).output
    assert f"{FEED}\n  - contact_name in an emergency: in clear -> not delivered\n" in output
    assert "gain: nobody; lose: xinhua-street" in output
    output = gebus("diff", "--against", str(stricter)).output
    assert "  + contact_phone in an emergency: not delivered -> in clear\n" in output
    assert "gain: xinhua-street; lose: nobody" in output


def test_diff_for_machines(stricter: Path) -> None:
    told = json.loads(gebus("diff", "--against", str(SHIPPED), "--json", root=stricter).output)
    assert told["before"] != told["after"]
    assert {(feed["feed"], one["change"], one["mode"]) for feed in told["feeds"] for one in feed["fields"]} == {
        (FEED, "loses", "emergency")
    }


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def test_diff_compares_with_a_revision(stricter: Path) -> None:
    git(stricter.parent, "init", "-q")
    git(stricter.parent, "add", ".")
    git(stricter.parent, "commit", "-qm", "all")
    assert "nobody sees more, less or otherwise" in gebus("diff", root=stricter).output
    change(stricter, "mode: emergency, outcome: drop", "mode: emergency, outcome: token")
    assert "  + contact_phone in an emergency: not delivered -> keyed token" in gebus("diff", root=stricter).output


@pytest.mark.parametrize("against", ["no-such-revision", "--output=/tmp/x"])
def test_what_is_no_revision_is_refused(against: str, stricter: Path) -> None:
    git(stricter.parent, "init", "-q")
    result = gebus("diff", f"--against={against}", root=stricter)
    assert isinstance(result.exception, NotFound)
    assert f"{against} is neither a directory nor a revision that git knows of" in str(result.exception)


def test_a_catalogue_that_breaks_a_rule_cannot_be_compared_with(stricter: Path) -> None:
    change(stricter, "level: 4", "level: 5")
    result = gebus("diff", "--against", str(stricter))
    assert isinstance(result.exception, GebusError)
    assert f"the catalogue of {stricter} cannot be compared with: codes/field-policy.yaml" in str(result.exception)
