"""Usage: what each grant consumed, counted from the leaves of the lanes, and what that comes to. See USAGE.md."""

from gebus.usage.book import Book, Entry, Metered, day_of
from gebus.usage.reader import catch_up
from gebus.usage.statement import Line, Period, Statement, month_after, statement
from gebus.usage.tariffs import REVENUE_LIST, TARIFF_LIST, Tariff, Tariffs, check

__all__ = [
    "REVENUE_LIST",
    "TARIFF_LIST",
    "Book",
    "Entry",
    "Line",
    "Metered",
    "Period",
    "Statement",
    "Tariff",
    "Tariffs",
    "catch_up",
    "check",
    "day_of",
    "month_after",
    "statement",
]
