"""Case counts, news and rumours of DXY (丁香园)."""

from gebus_connectors.sources.dxy.config import DxyConfig
from gebus_connectors.sources.dxy.counts import DxyCountsSource
from gebus_connectors.sources.dxy.source import DxyNewsSource, DxyRumorsSource

__all__ = ["DxyConfig", "DxyCountsSource", "DxyNewsSource", "DxyRumorsSource"]
