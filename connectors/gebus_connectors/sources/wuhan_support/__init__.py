"""The directory of designated hospitals that wuhan-support collected."""

from gebus_connectors.sources.wuhan_support.config import WuhanSupportConfig
from gebus_connectors.sources.wuhan_support.source import WuhanSupportSource

__all__ = ["WuhanSupportConfig", "WuhanSupportSource"]
