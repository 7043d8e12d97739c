"""Invented events: the same types where the real data is absent, and people whom the real data does not name."""

from gebus_connectors.sources.generator.config import GeneratorConfig
from gebus_connectors.sources.generator.people import PeopleSource
from gebus_connectors.sources.generator.source import GeneratorSource

__all__ = ["GeneratorConfig", "GeneratorSource", "PeopleSource"]
