"""The examples of connectors/README.md, as they are written there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.contract.bus import CATALOGUE, Bus

README = Path(__file__).parents[2] / "connectors" / "README.md"


def test_the_examples_run(stack, bus: Bus, tmp_path: Path) -> None:
    (tmp_path / "schemas").symlink_to(CATALOGUE)
    with bus.delivering() as deliver:
        deliver({0: [bus.feed_value(17)]})
    publish, receive = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    printed = [
        subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", example],
            cwd=tmp_path,
            env=stack.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.splitlines()
        for example in (publish, receive)
    ]
    (row,) = bus.written()
    assert printed[0][0].startswith(f"{bus.source_topic} {row.partition} {row.offset} ")
    assert printed[0][1] == "price a Decimal of at most 12 digits, 2 of them after the point"
    assert printed[1] == [f"e-17 Delivery('{bus.feed_topic}', partition=0, offset=0)"]
