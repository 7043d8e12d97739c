"""The Kafka key of an event: readable text, and unambiguous."""

from __future__ import annotations

from collections.abc import Sequence


def encode_key(values: Sequence[str | int]) -> bytes:
    r"""The values of the contract's key fields, in order, as UTF-8 text joined by `|`.

    A `\` or `|` inside a value is escaped by `\`, so two different lists never give the same key.
    """
    return "|".join(str(value).replace("\\", "\\\\").replace("|", "\\|") for value in values).encode()
