"""gebus identifier as a command, and what all kinds have in common."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gebus.cli import build
from gebus.model.errors import GebusError
from gebus.model.identifiers import IDENTIFIER_NAMES, identifier_kinds

DAY = date(2020, 2, 1)
PERSONAL = {"citizen-id": "110105194912310021", "phone": "+8615400000042", "plate": "鄂A1234O"}
every_kind = st.sampled_from(IDENTIFIER_NAMES)


def run(*arguments: str, typed: str | None = None) -> Any:
    return CliRunner().invoke(build(), ["identifier", *arguments], input=typed, env={"COLUMNS": "80"})


@given(every_kind, st.integers())
def test_whatever_is_generated_holds_and_comes_again_from_the_same_seed(name: str, seed: int) -> None:
    kind = identifier_kinds()[name]
    value = kind.generate(Random(seed), DAY)
    assert kind.problem(value, DAY) is None
    assert value == kind.generate(Random(seed), DAY)
    assert len(kind.mask(value)) == len(value)
    assert kind.mask(value) != value


@given(every_kind, st.text() | st.text("0123456789X+-·鄂A ", max_size=20), st.dates())
def test_any_text_is_judged_on_any_day(name: str, text: str, day: date) -> None:
    kind = identifier_kinds()[name]
    problem = kind.problem(text, day)
    for shown in (True, False) if problem is not None else ():
        found, allowed = kind.told(text, problem, shown=shown)
        assert "wrong in" in found
        assert allowed


@given(every_kind, every_kind, st.integers(), st.sampled_from(["", " ", "-"]))
def test_a_value_of_a_person_is_never_shown_in_whatever_field_it_stands(
    written: str, where: str, seed: int, blank: str
) -> None:
    value = identifier_kinds()[written].generate(Random(seed), DAY)
    value = value[:3] + blank + value[3:]
    problem = identifier_kinds()[where].problem(value, DAY)
    if identifier_kinds()[written].personal and problem is not None:
        found, allowed = identifier_kinds()[where].told(value, problem, shown=True)
        assert value not in found + allowed + str(problem)


@pytest.mark.parametrize("name", IDENTIFIER_NAMES)
def test_what_generate_prints_check_accepts(name: str) -> None:
    made = run("generate", name, "--count", "3", "--seed", "7", "--on", "2020-02-01")
    assert made.exit_code == 0
    values = made.stdout.split()
    assert len(values) == 3
    for value in values:
        checked = run("check", name, "-", "--on", "2020-02-01", typed=f"{value}\n")
        assert checked.exit_code == 0
        assert checked.stdout.endswith("holds on 2020-02-01\n")
        assert (value in checked.stdout) is (name in ("uscc", "division"))


@pytest.mark.parametrize("name", PERSONAL)
def test_a_wrong_value_of_a_person_is_told_by_its_mask(name: str) -> None:
    result = run("check", name, PERSONAL[name])
    assert result.exit_code == 1
    assert isinstance(result.exception, GebusError)
    told = str(result.exception) + result.output
    assert PERSONAL[name] not in told
    assert identifier_kinds()[name].mask(PERSONAL[name]) in told


@pytest.mark.parametrize("name", PERSONAL)
def test_of_what_has_not_the_form_of_its_kind_nothing_is_shown(name: str) -> None:
    kind, short = identifier_kinds()[name], PERSONAL[name][:-2]
    problem = kind.problem(short, DAY)
    assert problem is not None
    assert "***, wrong in" in kind.told(short, problem, shown=True)[0]
    assert short not in "".join(kind.told(short, problem, shown=True))


def test_a_wrong_code_of_a_company_is_told_with_what_would_be_right() -> None:
    result = run("check", "uscc", "91350100M000100Y44")
    assert str(result.exception) == (
        "uscc: '91350100M000100Y44', wrong in character 18, the check character: 4, where the others give 3; "
        "allowed: the character that the others give by GB 32100"
    )


def test_a_division_is_judged_on_the_day_that_is_asked() -> None:
    assert run("check", "division", "110103", "--on", "2009-01-01").exit_code == 0
    result = run("check", "division", "110103", "--on", "2020-01-01")
    assert "after it: 110101 东城区" in str(result.exception)


def test_arguments_in_the_wrong_order_show_no_value() -> None:
    result = run("check", PERSONAL["citizen-id"], "citizen-id")
    assert str(result.exception) == f"KIND is none; allowed: {', '.join(IDENTIFIER_NAMES)}"
    assert "did you mean `uscc`?" in str(run("generate", "ussc").exception)
    assert "a day, as 2020-02-01" in str(run("check", "uscc", "x", "--on", "tomorrow").exception)


def test_what_is_typed_may_be_of_any_bytes_and_without_end() -> None:
    for typed in (b"\xff\n", b"", b"1" * 100_000):
        result = CliRunner().invoke(build(), ["identifier", "check", "uscc", "-"], input=typed)
        assert "wrong in its length" in str(result.exception)


def test_nothing_is_invented_for_a_day_before_the_list_of_divisions() -> None:
    assert run("generate", "citizen-id", "--on", "1980-01-01").exit_code == 0
    assert "a day from 1980-01-01" in str(run("generate", "citizen-id", "--on", "1979-12-31").exception)


def test_the_commands_of_the_readme_do_what_it_says() -> None:
    text = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    commands = re.findall(r"^    gebus identifier (.*)$", text, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert run(*command.split()).exit_code == 0
