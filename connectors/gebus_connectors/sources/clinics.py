"""What the sources of clinics share: the key by which several of them mean one place."""

from __future__ import annotations

from gebus_connectors.sources.divisions import city_of


def place_key(region: str, name: str) -> str:
    """City and name: publishers code the same hospital by its district or by its city, and space its name freely.

    Not promised: that two spellings of a name are one place, or that brackets (a campus) mean nothing.
    """
    return f"{city_of(region)}/{''.join(name.split())}"
