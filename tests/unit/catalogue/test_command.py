"""gebus check and gebus apply as commands, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from gebus.cli import build, catalogue
from gebus.kafka.admin import Topic
from gebus.model.errors import Finding


def run(*arguments: str) -> Any:
    return CliRunner().invoke(build(), list(arguments), env={"GEBUS_CATALOGUE": None, "COLUMNS": "80"})


def test_check_counts_what_a_valid_catalogue_holds(draft: Any) -> None:
    result = run("check", "--catalogue", str(draft.root))
    assert result.exit_code == 0
    assert result.stdout == f"{draft.root}: 3 parties, 1 topic, 2 feeds, 2 code lists: no rule broken\n"
    as_json = run("check", "--catalogue", str(draft.root), "--json")
    assert json.loads(as_json.stdout) == {"parties": 3, "topics": 1, "feeds": 2, "codes": 2, "findings": []}


def test_check_lists_every_finding_on_one_line_and_ends_with_their_number(draft: Any) -> None:
    draft.edit("topics/market.price_report.yaml", "owner: watch", "owner: wach")
    draft.edit("parties/jd.yaml", "kind: enterprise", "kind: company")
    result = run("check", "--catalogue", str(draft.root))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split(" ")[0] for line in lines[:2]] == ["parties/jd.yaml:4:", "topics/market.price_report.yaml:4:"]
    assert lines[2] == f"{draft.root}: 2 findings"
    as_json = run("check", "--catalogue", str(draft.root), "--json")
    assert as_json.exit_code == 1
    findings = [Finding(**row) for row in json.loads(as_json.stdout)["findings"]]
    assert findings == list(draft.findings())


def test_check_also_says_what_the_planner_finds_with_its_line(draft: Any) -> None:
    draft.edit("feeds/cdc/dear-masks.yaml", "report.goods == 'mask'", "report.goods > 3")
    result = run("check", "--catalogue", str(draft.root))
    assert result.exit_code == 1
    assert result.stdout.startswith("feeds/cdc/dear-masks.yaml:13:")


def test_the_catalogue_may_be_named_by_the_environment(draft: Any) -> None:
    result = CliRunner().invoke(build(), ["check"], env={"GEBUS_CATALOGUE": str(draft.root)})
    assert result.exit_code == 0


class Server:
    """A broker and a registry that hold one topic too many, and tell what is done to them."""

    def __init__(self, *_: Any) -> None:
        self.done: list[str] = []

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def topics(self) -> dict[str, Topic]:
        return {"feed.cdc.old": Topic("feed.cdc.old", 1)}

    def subjects(self) -> list[str]:
        return []

    def principals(self) -> frozenset[str]:
        return frozenset()

    acls = principals

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.done.append(name)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Server:
    server = Server()
    monkeypatch.setattr(catalogue, "Admin", lambda _: server)
    monkeypatch.setattr(catalogue, "Registry", lambda _: server)
    monkeypatch.setattr(catalogue.Connection, "load", lambda _: None)
    monkeypatch.setattr(catalogue.Notebook, "write", lambda *_: server.done.append("note steps"))
    monkeypatch.setattr(catalogue.PaperGrants, "record", lambda _: server.done.append("record grants"))
    monkeypatch.setenv("GEBUS_HOME", str(tmp_path / "home"))
    return server


def test_apply_removes_only_what_it_is_allowed_to(server: Server, draft: Any) -> None:
    kept = run("apply", "--catalogue", str(draft.root))
    assert kept.exit_code == 0, kept.output
    assert "= delete topic feed.cdc.old: with all its records" in kept.stdout
    assert "1 kept that the catalogue does not name; --allow-removal removes them" in kept.stdout
    assert "delete_topics" not in server.done
    assert "create_topics" in server.done
    assert server.done[-1] == "record grants", "the control topics are made first"
    assert "+ record grant watch/all-prices#1: approved on paper by jd" in kept.stdout
    removed = run("apply", "--catalogue", str(draft.root), "--allow-removal")
    assert "- delete topic feed.cdc.old: with all its records" in removed.stdout
    assert "kept" not in removed.stdout
    assert "delete_topics" in server.done


def test_a_dry_run_does_nothing_and_says_so(server: Server, draft: Any) -> None:
    result = run("apply", "--catalogue", str(draft.root), "--dry-run", "--allow-removal")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith("to make; this was a dry run")
    assert server.done == []


def test_apply_of_a_catalogue_that_breaks_a_rule_connects_to_nothing(server: Server, draft: Any) -> None:
    draft.edit("parties/jd.yaml", "kind: enterprise", "kind: company")
    result = run("apply", "--catalogue", str(draft.root), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["findings"][0]["file"] == "parties/jd.yaml"
    assert server.done == []
