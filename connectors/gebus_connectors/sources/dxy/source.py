"""DXY's stream of news, and its list of rumours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gebus_connectors.sources.divisions import CHINA_CODE, Divisions
from gebus_connectors.sources.dxy.config import DxyConfig
from gebus_connectors.sources.identity import Revisions, digest, make_event
from gebus_connectors.sources.reading import BadRow, Event, Reading, Skipped
from gebus_connectors.sources.rows import csv_rows, moment, required, text
from gebus_connectors.sources.values import Themes, ValueMap

_NOT_LETTERS = re.compile(r"[\W_]+")


class DxyNewsSource:
    """Every crawled item, in the order of the table.

    Promised: an item that was crawled again is its event again; items with the same title, whatever its
    punctuation, are one entity. Not promised: that one event is told under one title.
    """

    def __init__(self, config: DxyConfig, divisions: Divisions, themes: Themes) -> None:
        self._config, self._divisions, self._themes = config, divisions, themes

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        for row in csv_rows(self._config.news):
            if isinstance(row, Skipped):
                yield row
                continue
            try:
                yield self._notice(row.cells)
            except BadRow as bad:
                yield row.skipped(str(bad))

    def _notice(self, cells: Mapping[str, Any]) -> Event:
        title = required(cells, "title")
        adopted = text(cells["adoptType"])
        said = {
            "title": title,
            "summary": text(cells["summary"]) or "",
            "publisher": required(cells, "infoSource"),
            "theme": self._themes.of(title),
            "source_url": text(cells["sourceUrl"]),
        }
        at = moment(required(cells, "pubDate"))
        region = self._divisions.province(text(cells["provinceName"]) or "") or CHINA_CODE
        return make_event(
            self.party,
            "info.notice",
            digest("title", _NOT_LETTERS.sub("", title)),
            at=at,
            region=region,
            content={**said, "adopted_as": None if adopted is None else adopted.partition(".")[0]},
            # The desk files an item after it was first crawled: that says nothing new about it.
            identity=[cells["id"], at, said],
        )


class DxyRumorsSource:
    """Every rumour as it was first listed, and every change of what is said of it.

    Promised: a change is a revision. Not promised: that a rumour keeps its title; under another it is another.
    """

    def __init__(self, config: DxyConfig, verdicts: ValueMap) -> None:
        self._config, self._verdicts = config, verdicts

    @property
    def party(self) -> str:
        return self._config.party

    def read(self) -> Iterator[Reading]:
        revisions = Revisions(self.party, "info.rumor")
        for row in csv_rows(self._config.rumors):
            if isinstance(row, Skipped):
                yield row
                continue
            try:
                yield self._rumor(row.cells, revisions)
            except BadRow as bad:
                yield row.skipped(str(bad))

    def _rumor(self, cells: Mapping[str, Any], revisions: Revisions) -> Event:
        title = required(cells, "title")
        content = {
            "title": title,
            "verdict": self._verdicts.code(required(cells, "rumorType")),
            "summary": text(cells["mainSummary"]) or "",
            "body": text(cells["body"]) or "",
            "reporter_name": None,
            "reporter_phone": None,
            "source_url": text(cells["sourceUrl"]),
        }
        return revisions.say(digest("rumor", title), moment(required(cells, "at")), CHINA_CODE, content)
