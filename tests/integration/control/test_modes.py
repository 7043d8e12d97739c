"""An emergency on the real Kafka: what flows only while it holds, and what was delivered under it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.integration.lanes.kit import Bed, record, wait_until

ROOT = Path(__file__).parents[3]


def test_a_feed_of_emergencies_flows_within_region_and_time_and_is_listed(make_bed: Callable[..., Bed]) -> None:
    bed = make_bed()
    party = bed.root / "parties/hubei-health.yaml"
    party.write_text(party.read_text() + "commands: true\n")
    shutil.copy(ROOT / "schemas/codes/emergency-levels.yaml", bed.root / "codes")
    feed = bed.root / "feeds/ditu" / f"{bed.domain}-open.yaml"
    feed.write_text(feed.read_text().replace("mode: any", "mode: emergency"))
    bed.apply()
    mode = f"flood-{bed.domain}"

    def run(*arguments: str, person: str) -> str:
        return bed.gebus("mode", *arguments, "--as", person).output

    for name in ("first@hubei-health", "second@hubei-health"):
        bed.gebus("person", "add", name, "--role", "commander")
    with bed.workers(2) as running:
        running.wait_live()
        bed.publish([record("before", entity="a")])
        wait_until(lambda: bed.taken() == 1, "the record before")
        run("open", mode, "--level", "II", "--region", "420100", "--document", "1", "--until", "1h",
            person="first@hubei-health")  # fmt: skip
        assert "holds" in run("confirm", mode, person="second@hubei-health")
        running.wait_for(f"modes that hold: {mode}", 2)
        bed.publish([record("inside", entity="b"), record("outside", entity="c", region="430100")])
        wait_until(lambda: bed.taken() == 3, "the records in the emergency")
        assert "ended" in run("close", mode, person="first@hubei-health")
        running.wait_for("modes that hold: none", 2)
        bed.publish([record("after", entity="d")])
        wait_until(lambda: bed.taken() == 4, "the record after")
    assert bed.ids("open") == ["inside"]
    assert len(bed.ids("all")) == 4, "other feeds go on as ever"
    report = json.loads(bed.gebus("mode", "report", mode, "--json").output)
    assert [(row["feed"], row["count"]) for row in report["deliveries"]] == [(f"ditu/{bed.domain}-open", 1)]
