"""Administrative divisions of GB/T 2260: which code stood for what on which day, and what came after it."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from functools import cache
from importlib import resources
from typing import Final

from gebus.model.catalogue import CodeEntry, CodeList
from gebus.model.errors import IdentifierRefused
from gebus.model.identifiers.form import NO_FORM
from gebus.model.identifiers.successions import MERGED, MISSING, MOVED_PROVINCES

KIND = "division"
DIVISIONS: Final = "divisions"
"""The code list of a catalogue that takes the place of the built-in one."""

FIRST_DAY: Final = date(1980, 1, 1)
"""Where the built-in list begins; what it says of a day before is what it says of this one."""

_FORM = re.compile(r"[0-9]{6}(?:[0-9]{3}){0,2}", re.ASCII)
_LINE = re.compile(r'( *)([0-9]+) (?:province|county)="([^"]*)"')
_SPAN = re.compile(r"(?:\[(\d*)-(\d*)\])?([^,]+)")
_SUFFIX = re.compile(r"(?:特别行政区|自治县|自治旗|自治州|地区|特区|林区|[县市区旗盟州])$")


class Divisions:
    """A dated list of six-digit codes.

    Promised: what `codes` says of a day. Its entries may have the attributes `zh`, the name, and `successors`, codes
    with spaces between. Not promised: that it holds streets and communities; codes of nine and twelve digits are known
    by the county that they begin with.
    """

    def __init__(self, codes: CodeList) -> None:
        self._spans: dict[str, list[CodeEntry]] = defaultdict(list)
        for entry in codes.entries:
            self._spans[entry.code].append(entry)
        self._counties: tuple[date, list[str]] | None = None

    @staticmethod
    @cache
    def built_in() -> Divisions:
        """The list that comes with python-stdnum, from 1980 on, with what it lacks.

        Promised to the year: a code that ended or began in a year counts for the whole of it. Successors are known for
        a place that kept its name, and for the merges since 2008 that are listed here. Not promised: codes that the
        statistical bureau gave to development zones (fifth and sixth digit 71 to 79); they are no divisions.
        """
        return Divisions(_built_in())

    def __contains__(self, code: object) -> bool:
        return code in self._spans

    def at(self, code: str, day: date) -> CodeEntry | None:
        """What a six-digit code stood for on that day, or None."""
        return next((entry for entry in self._spans.get(code, ()) if _holds(entry, day, day)), None)

    def each(self, code: str) -> tuple[CodeEntry, ...]:
        """All that a six-digit code ever stood for, in the list's order."""
        return tuple(self._spans.get(code, ()))

    def between(self, code: str, first: date, last: date) -> bool:
        """Whether a six-digit code held on some day from `first` to `last`."""
        return any(_holds(entry, first, last) for entry in self._spans.get(code, ()))

    def counties(self, day: date) -> list[str]:
        """The codes of counties on that day, in order; the placeholders 01 (市辖区) and those ending in 00 left out."""
        if self._counties is None or self._counties[0] != day:
            known = sorted(code for code in self._spans if code[4:] not in ("00", "01") and self.at(code, day))
            self._counties = day, known  # a generator asks for the same day again and again
        return self._counties[1]

    def successors(self, code: str, day: date) -> tuple[CodeEntry, ...]:
        """What stands on that day where a code stood that had ended before; none for one that nobody named.

        Successors of successors are followed. Not promised: the shares of a division that was split.
        """
        found: dict[str, CodeEntry] = {}
        followed, waiting = {code}, [code]
        while waiting:
            for following in self._named_after(waiting.pop(), day):
                entry = self.at(following, day)
                if entry is not None:
                    found[following] = entry
                elif following not in followed:
                    waiting.append(following)
                followed.add(following)
        return tuple(found[one] for one in sorted(found))

    def _named_after(self, code: str, day: date) -> Iterator[str]:
        for entry in self._spans.get(code, ()):
            if entry.valid_to is not None and entry.valid_to <= day:
                yield from str(entry.attributes.get("successors") or "").split()


def parse(value: str, on: date, divisions: Divisions | None = None) -> CodeEntry:
    """What a code of 6, 9 or 12 digits stands for on the day `on`, to the county; IdentifierRefused for what is none.

    Promised: the county is one of GB/T 2260 on that day (to the year, with the built-in list), and of one that ended
    the refusal names the successors. Not promised: that the street (GB/T 10114, digits 7 to 9) or the community (10 to
    12) exists: only that it is not 000 above one that is not. 100000, which some write for the country, is no division.
    """
    known = divisions or Divisions.built_in()
    if not _FORM.fullmatch(value):
        raise IdentifierRefused(KIND, "its form", repr(value[:20]), "6, 9 or 12 digits")
    if len(value) == 12 and value[6:9] == "000" and value[9:] != "000":
        where, allowed = "characters 7 to 9, the street", "a street above a community"
        raise IdentifierRefused(KIND, where, "000", allowed)
    code = value[:6]
    entry = known.at(code, on)
    if entry is not None:
        return entry
    where, allowed = "characters 1 to 6, the county", f"a division of GB/T 2260 on {on}"
    raise IdentifierRefused(KIND, where, _told(code, on, known), allowed, _next_step(code, on, known))


def name_of(entry: CodeEntry) -> str:
    """The name in Chinese, where the list gives one."""
    return str(entry.attributes.get("zh") or "")


def mask(value: str) -> str:
    """The value as it may be shown: the province, then stars."""
    return value[:2] + "*" * (len(value) - 2) if _FORM.fullmatch(value) else NO_FORM


def generate(numbers: random.Random, on: date, divisions: Divisions | None = None) -> str:
    """A county of that day. The same state of `numbers`, day and list give the same code."""
    return numbers.choice((divisions or Divisions.built_in()).counties(on))


def _holds(entry: CodeEntry, first: date, last: date) -> bool:
    begun = entry.valid_from is None or entry.valid_from <= last
    return begun and (entry.valid_to is None or first < entry.valid_to)


def _told(code: str, on: date, known: Divisions) -> str:
    if code not in known:
        zone = code[4:] in {str(number) for number in range(71, 80)}
        return f"{code}, which " + ("is of the statistical bureau alone" if zone else "never was one")
    spans = [entry for entry in known.each(code) if entry.valid_to is not None and entry.valid_to <= on]
    if spans:
        last = spans[-1]
        return f"{code} {name_of(last)}, which ended before {last.valid_to}"
    return f"{code}, which begins later"


def _next_step(code: str, on: date, known: Divisions) -> str:
    following = known.successors(code, on)
    return (
        "after it: " + ", ".join(f"{entry.code} {name_of(entry)}".rstrip() for entry in following) if following else ""
    )


def _built_in() -> CodeList:
    spans = list(_stdnum_spans())
    named: dict[tuple[str, str, int], list[str]] = defaultdict(list)
    for code, name, first, _ in spans:
        if first is not None:
            named[_level(code), _SUFFIX.sub("", name), first].append(code)
    entries = []
    for code, name, first, last in spans:
        following = MERGED.get(code, ()) if last is not None else ()
        if last is not None and not following:
            following = _same_name(code, name, last, named)
        begin = None if first is None else date(first, 1, 1)
        end = None if last is None else date(last + 1, 1, 1)
        entries.append(CodeEntry(code, begin, end, {"zh": name, "successors": " ".join(following)}))
    source = "python-stdnum, cn/loc.dat, after the article 中华人民共和国行政区划代码 of Wikipedia; gebus"
    return CodeList(DIVISIONS, source, tuple(entries))


def _stdnum_spans() -> Iterator[tuple[str, str, int | None, int | None]]:
    """Code, name, first and last year of each line of the file, as its header and stdnum.numdb describe it."""
    text = resources.files("stdnum").joinpath("cn/loc.dat").read_text("utf-8")
    names: dict[str, str] = {}
    province = ""
    for line in _LINE.finditer(text):
        if line[1]:
            names[province + line[2]] = line[3]
        else:
            province = line[2]
    for code, written in sorted({**names, **MISSING}.items()):
        for first, last, name in _SPAN.findall(written):
            yield code, name, int(first) if first else None, int(last) if last else None


def _level(code: str) -> str:
    return "province" if code.endswith("0000") else "city" if code.endswith("00") else "county"


def _same_name(code: str, name: str, last: int, named: dict[tuple[str, str, int], list[str]]) -> tuple[str, ...]:
    """The one code of that level to which the name went when this one ended; none where two places share the name."""
    stem = _SUFFIX.sub("", name)
    if len(stem) < 2:
        return ()
    near = {code[:2], *(new for old, new in MOVED_PROVINCES if old == code[:2])}
    following = {
        other
        for year in (last, last + 1)
        for other in named.get((_level(code), stem, year), ())
        if other[:2] in near and other != code
    }
    return tuple(following) if len(following) == 1 else ()
