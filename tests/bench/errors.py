"""What goes wrong in a bench."""

from __future__ import annotations


class BenchError(Exception):
    """A system could not be measured, or did not do the work: its figure does not count."""
