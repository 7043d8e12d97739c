"""The book counts each leaf once, whoever counts and however often."""

from __future__ import annotations

import sqlite3
import stat
from datetime import date
from pathlib import Path

import pytest
from tests.unit.usage.conftest import leaf

from gebus.model.errors import Stopped
from gebus.usage import Book, Metered, day_of


def test_leaves_are_summed_by_day_feed_slice_grant_and_mode(book: Book) -> None:
    others = [
        leaf("2026-11-02"), leaf(feed="ditu/other"), leaf(slice=1), leaf(grant="ditu/map#2"), leaf(mode="flood-1"),
    ]  # fmt: skip
    book.add(list(enumerate([leaf(), leaf(count=5, size=7, fields=(1, 1, 1, 1)), *others])))
    entries = list(book.entries())
    assert len(entries) == 1 + len(others)
    (first,) = (one for one in entries if (one.first, one.last) == (0, 1))
    assert first.metered == Metered(2, 15, 1007, (21, 11, 1, 1))
    assert (first.day, first.feed, first.consumer) == (date(2026, 11, 1), "ditu/map", "ditu")
    assert [one.day for one in book.entries(date(2026, 11, 2), date(2026, 12, 1))] == [date(2026, 11, 2)]


def test_what_is_counted_is_passed_over(book: Book) -> None:
    book.add([(3, leaf()), (4, leaf(root="1" * 64))])
    assert book.place == (5, "1" * 64)
    book.add([(4, leaf()), (7, leaf())])
    assert [one.metered.leaves for one in book.entries()] == [3]
    assert book.place == (8, "0" * 64)


def test_two_who_count_count_once(book: Book, tmp_path: Path) -> None:
    other = Book(tmp_path / "usage.sqlite")
    for one in (book, other, book):
        one.add([(0, leaf()), (1, leaf())])
    assert [one.metered.leaves for one in other.entries()] == [2]
    other.close()


def test_an_interrupted_count_leaves_nothing(book: Book) -> None:
    with pytest.raises(sqlite3.Error):
        book.add([(0, leaf()), (1, leaf(count={}))])
    assert (list(book.entries()), book.place) == ([], (0, ""))


def test_it_can_begin_from_nothing(book: Book) -> None:
    book.add([(0, leaf())])
    book.forget()
    assert (list(book.entries()), book.place) == ([], (0, ""))


def test_a_day_is_chinas() -> None:
    assert day_of(1_793_462_399_000) == date(2026, 10, 31)
    assert day_of(1_793_462_400_000) == date(2026, 11, 1)


@pytest.mark.usefixtures("book")
def test_its_owner_alone_can_read_it(tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "usage.sqlite").stat().st_mode) == 0o600


def test_what_is_no_book_is_refused(tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(b"noise" * 1000)
    with pytest.raises(Stopped, match=r"cannot be read as a book of usage.*delete it, it is made anew"):
        Book(tmp_path / "noise")
    database = sqlite3.connect(tmp_path / "other")
    database.execute("PRAGMA user_version = 7")
    database.close()
    with pytest.raises(Stopped, match="a book of form 7; this gebus keeps 1"):
        Book(tmp_path / "other")
