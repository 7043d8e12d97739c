"""The one place that opens clients of Kafka and of the schema registry: configuration, security, admin.

`lane_clients` needs the extra `lanes` and is imported by lanes alone; everything else here runs without it.
"""

from gebus.kafka.connection import Connection, stack_home

__all__ = ["Connection", "stack_home"]
