"""Options that several commands share, so that they are named and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CatalogueOption = Annotated[
    Path, typer.Option("--catalogue", envvar="GEBUS_CATALOGUE", help="The directory of the catalogue.")
]
