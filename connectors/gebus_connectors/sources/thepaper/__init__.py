"""The notices that The Paper collected, as increments."""

from gebus_connectors.sources.thepaper.config import ThePaperConfig
from gebus_connectors.sources.thepaper.source import ThePaperSource

__all__ = ["ThePaperConfig", "ThePaperSource"]
