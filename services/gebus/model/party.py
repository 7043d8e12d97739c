"""A party: an organisation that publishes or consumes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from gebus.model.base import Model, PartyId, Title


class Party(Model):
    """An enterprise platform or a department; its id is also its Kafka principal (`User:<id>`).

    `uscc` is the 18-character Unified Social Credit Code (GB 32100); `region` a GB/T 2260 code of 6 to 12 digits.
    """

    party: PartyId
    title: Title
    uscc: Annotated[str, StringConstraints(pattern=r"^[0-9A-HJ-NP-RTUWXY]{18}$")]
    kind: Literal["enterprise", "department"]
    region: Annotated[str, StringConstraints(pattern=r"^[0-9]{6,12}$")]
    commands: bool = False
    """Whether it may open an emergency, within its own region (see gebus.model.mode)."""
