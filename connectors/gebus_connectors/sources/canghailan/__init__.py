"""The collected bulletins of the health commissions, with their later revisions."""

from gebus_connectors.sources.canghailan.config import CanghailanConfig
from gebus_connectors.sources.canghailan.source import CanghailanSource

__all__ = ["CanghailanConfig", "CanghailanSource"]
