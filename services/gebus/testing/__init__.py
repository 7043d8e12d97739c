"""What a feed is tested with: a topology driver without a broker, a manual clock, catalogues in memory, an oracle.

`gebus.testing.build` makes catalogues, `gebus.testing.oracle` is the naive twin of a lane; both are imported by name.
"""

from gebus.testing.clock import START_MS, ManualClock
from gebus.testing.messages import FakeMessage
from gebus.testing.topology import DeadLetter, Delivery, Topology

__all__ = ["START_MS", "DeadLetter", "Delivery", "FakeMessage", "ManualClock", "Topology"]
