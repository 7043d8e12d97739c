"""Names of places as codes of GB/T 2260, from a code list that is read where the data lies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from gebus_connectors.sources.rows import Row, csv_rows

Level = Literal["country", "province", "city", "county"]

CHINA_CODE = "100000"
"""No division of GB/T 2260: what map makers write for the whole country."""

_IN_BRACKETS = re.compile(r"[（(].*[)）]")
_SUFFIX = re.compile(r"(特别行政区|自治区|自治州|地区|[省市区县州盟])$")
_MUNICIPALITIES = ("11", "12", "31", "50")


def level_of(code: str) -> Level:
    """The level that a code of six digits stands for."""
    if code == CHINA_CODE:
        return "country"
    if code.endswith("0000"):
        return "province"
    return "city" if code.endswith("00") else "county"


def city_of(code: str) -> str:
    """The city or prefecture that a division lies in; a municipality stands for itself, so does a whole province."""
    if code.startswith(_MUNICIPALITIES):
        return code[:2] + "0000"
    return code[:4] + "00"


class Divisions:
    """A code list of one edition.

    Promised: a name is given a code only if it is the name, or the only possible beginning of a name, of one
    division below the one that it is looked for in. Not promised: codes of another edition; a division that
    was born, split or abolished since has none.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)
        self._below: dict[str, dict[str, str]] = {}
        self._short: dict[str, str] = {}
        for code, name in self._names.items():
            self._below.setdefault(_parent(code), {})[code] = name
            if level_of(code) != "county" and len(short := _SUFFIX.sub("", name)) > 1:
                self._short[code] = short

    @classmethod
    def read(cls, path: Path) -> Divisions:
        """The list of a CSV file with the columns `code` and `name`."""
        rows = [row for row in csv_rows(path) if isinstance(row, Row)]
        return cls({str(row.cells["code"]): str(row.cells["name"]) for row in rows})

    def name(self, code: str) -> str | None:
        """The division's own name."""
        return "全国" if code == CHINA_CODE else self._names.get(code)

    def coded(self, written: str | None) -> str | None:
        """A code that is in the list, also where a spreadsheet made it `330300.0`; None for anything else."""
        code = (written or "").strip().partition(".")[0]
        return code if code in self._names or code == CHINA_CODE else None

    def province(self, name: str) -> str | None:
        """The code of a province: 湖北, 湖北省 and 内蒙古 are all understood."""
        return _only(self._below[""], name)

    def within(self, parent: str, name: str) -> str | None:
        """The code of a city or county in a province, or of a county in a city."""
        direct = _only(self._below.get(parent, {}), name)
        if direct or level_of(parent) != "province":
            return direct
        counties = {code: known for code, known in self._names.items() if code[:2] == parent[:2] and code[2:4] != "00"}
        return _only(counties, name)

    def finest(self, province: str, *names: str | None) -> str | None:
        """The code of the last name that can be found below the one before it; None if the province is unknown."""
        code = self.province(province)
        for name in names:
            if code and name:
                code = self.within(code, name) or code
        return code

    def mentioned(self, words: str) -> str | None:
        """The code of the city, or else of the province, whose short name stands last in the words."""
        found = max(
            ((words.rfind(short), len(short), code) for code, short in self._short.items() if short in words),
            default=None,
        )
        return found[2] if found else None


def _parent(code: str) -> str:
    if code.endswith("0000"):
        return ""
    if code.endswith("00") or code[:2] in _MUNICIPALITIES or code[2:4] == "90":
        return code[:2] + "0000"
    return code[:4] + "00"


def _only(candidates: Mapping[str, str], name: str) -> str | None:
    wanted = _IN_BRACKETS.sub("", name).strip()
    if not wanted:
        return None
    exact = [code for code, known in candidates.items() if known == wanted]
    if len(exact) == 1:
        return exact[0]
    short = _SUFFIX.sub("", wanted) if len(wanted) > 2 else wanted
    near = [code for code, known in candidates.items() if known.startswith(short)]
    return near[0] if len(near) == 1 and len(short) > 1 else None
