"""Invented passengers on runs of real flights and trains, and what people ask about them."""

from gebus_connectors.sources.manifest.config import ManifestConfig
from gebus_connectors.sources.manifest.queries import QuerySource
from gebus_connectors.sources.manifest.source import ManifestSource
from gebus_connectors.sources.manifest.timetable import flights, trains

__all__ = ["ManifestConfig", "ManifestSource", "QuerySource", "flights", "trains"]
