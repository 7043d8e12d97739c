"""The secrets of servers that run elsewhere, in containers or on a cluster: made once, in the form they are read in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gebus.stack.authority import ensure_certificates
from gebus.stack.layout import ADMIN, LANES, Layout
from gebus.stack.servers import properties_text, registry_login


def make_secrets(layout: Layout, bootstrap: str, registry: str, hosts: Sequence[str], now: datetime) -> None:
    """Make what `deploy/compose.yaml` mounts: passwords, certificates for `hosts`, and where the servers are.

    Promised: what exists stays as it is, but for a certificate with less than 30 days left and the addresses. Not
    promised: that running servers hear of it; restart them.
    """
    secrets = layout.secrets
    password = secrets.ensure(ADMIN)
    lanes = secrets.ensure(LANES)
    ensure_certificates(secrets, now, hosts)
    kafka = {ADMIN: password.get_secret_value(), LANES: lanes.get_secret_value()}
    secrets.write_file("kafka.properties", properties_text(kafka).encode())
    secrets.write_file("registry.properties", properties_text(registry_login(password)).encode())
    layout.write_state(bootstrap, registry)
