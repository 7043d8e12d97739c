"""What the modules of this package say alike."""

from __future__ import annotations

NO_FORM = "***"
"""The mask of what has not the form of its kind: of a text that could be anything no part may be shown."""
