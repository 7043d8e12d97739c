"""The journeys of confirmed cases that the same-trip inquiry collected."""

from gebus_connectors.sources.nosugar.config import NosugarConfig
from gebus_connectors.sources.nosugar.source import NosugarSource

__all__ = ["NosugarConfig", "NosugarSource"]
