"""The slot's member of the group: a killed process leaves it behind, and the next one takes it out."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.lanes.conftest import Bench, Crashed

from gebus.lanes.membership import Membership


def died(member: Membership) -> None:
    """What the system does for a process that is killed."""
    assert member._handle is not None
    os.close(member._handle)


def test_a_killed_process_leaves_its_member_to_the_next_one(tmp_path: Path) -> None:
    first = Membership(tmp_path / "state", 0)
    assert first.inherit() == ""
    first.write("a-long-member-id")
    first.write("id")
    died(first)
    assert Membership(tmp_path / "state", 1).inherit() == "", "another slot's"
    second = Membership(tmp_path / "state", 0)
    assert second.inherit() == "id"
    second.write("")
    died(second)
    assert Membership(tmp_path / "state", 0).inherit() == "", "it has left by itself"


def test_a_living_process_keeps_its_member(tmp_path: Path) -> None:
    first, second = Membership(tmp_path, 0), Membership(tmp_path, 0)
    first.inherit()
    first.write("id")
    assert second.inherit() == ""
    second.write("other")
    died(first)
    assert Membership(tmp_path, 0).inherit() == "id", "who has no lock does not write"


def test_without_a_disk_the_session_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    member = Membership(tmp_path / "file", 0)
    assert member.inherit() == ""
    member.write("id")


def test_only_the_member_of_a_killed_worker_is_taken_out(bench: Bench) -> None:
    bench.publish("one")
    bench.environment["GEBUS_CRASH_AT"] = "after_commit"
    killed = bench.worker()
    with pytest.raises(Crashed):
        bench.run(killed)
    died(killed._membership)
    bench.environment.clear()
    next_one = bench.worker()
    bench.run(next_one)
    assert bench.clients.removed == [(0, f"member-{bench.clients.sources[0].generation}")]
    died(next_one._membership)
    bench.run()
    assert len(bench.clients.removed) == 1, "a worker that stopped has left by itself"
    assert bench.delivered() == ["ONE"]
