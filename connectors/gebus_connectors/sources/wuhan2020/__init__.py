"""The change streams of the volunteers' platform wuhan2020."""

from gebus_connectors.sources.wuhan2020.config import Wuhan2020Config
from gebus_connectors.sources.wuhan2020.source import Wuhan2020Source

__all__ = ["Wuhan2020Config", "Wuhan2020Source"]
