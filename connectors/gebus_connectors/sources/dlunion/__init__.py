"""The journeys of confirmed cases that dlunion typed from public accounts."""

from gebus_connectors.sources.dlunion.config import DlunionConfig
from gebus_connectors.sources.dlunion.source import DlunionSource

__all__ = ["DlunionConfig", "DlunionSource"]
