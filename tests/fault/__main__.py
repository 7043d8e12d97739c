"""`make fault`: the kill matrix in its long form. Results in build/fault/<cell>.json, histories beside them."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.fault.broker import FaultStack, fault_stack
from tests.fault.cells import CELLS, LONG, SHORT, Length
from tests.fault.stage import Stage

_SHOWN = 5


def main(arguments: Sequence[str]) -> int:
    """Run the cells; exit status 1 if one of them is not clean."""
    options = _options(arguments)
    length = SHORT if options.short else LONG
    clean = True
    with tempfile.TemporaryDirectory(prefix="gebus-fault-") as home, fault_stack(Path(home)) as fault:
        for name in options.cells or CELLS:
            runs = []
            for seed in options.seeds:
                run = _run(fault, name, seed, events=options.events, length=length, out=options.out)
                runs.append(run)
                clean = clean and run["clean"]
                _tell(name, run)
                _write(options.out / f"{name}.json", name, runs)
    return 0 if clean else 1


def _run(fault: FaultStack, name: str, seed: int, *, events: int, length: Length, out: Path) -> dict[str, Any]:
    """One cell with one seed, judged. What went wrong on the way is an entry too: the other cells run on."""
    domain = f"{name.replace('-', '')}{seed}"
    started = time.monotonic()
    run: dict[str, Any] = {"seed": seed, "events": events, "length": asdict(length), "clean": False}
    with tempfile.TemporaryDirectory(prefix="gebus-fault-") as root:
        try:
            with Stage(fault, Path(root) / "schemas", domain, events, seed) as stage:
                CELLS[name](stage, length)
                verdict = stage.verdict(out / "histories" / f"{name}-{seed}.jsonl.gz")
        except Exception as error:
            said = "\n".join((f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())))
            return run | {"failed": said, "seconds": round(time.monotonic() - started)}
    return run | {
        "clean": not verdict.anomalies,
        "anomalies": verdict.counts,
        "late": verdict.late,
        "first": [str(one) for one in verdict.anomalies[:_SHOWN]],
        "recoveries": [{"what": what, "seconds": seconds} for what, seconds in verdict.recoveries],
        "seconds": round(time.monotonic() - started),
    }


def _write(path: Path, name: str, runs: Sequence[dict[str, Any]]) -> None:
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for recovery in run.get("recoveries", ()):
            found[recovery["what"]].append(recovery["seconds"])
    p95 = {what: percentile(seconds, 95) for what, seconds in found.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cell": name, "recovery_p95": p95, "runs": runs}, indent=2, ensure_ascii=False) + "\n")


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that so many of a hundred do not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * percent // 100) - 1]


def _tell(name: str, run: dict[str, Any]) -> None:
    said = run.get("failed") or ("clean" if run["clean"] else f"NOT CLEAN: {run['anomalies']} {run['first']}")
    late = f", {run['late']} late" if run.get("late") else ""
    recoveries = ", ".join(f"{one['what']} {one['seconds']:.1f} s" for one in run.get("recoveries", ()))
    said += f"{late}; {recoveries}"
    print(f"{name} seed {run['seed']}, {run['events']} events, {run['seconds']} s: {said}", flush=True)  # noqa: T201


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault", description=__doc__)
    parser.add_argument("cells", nargs="*", metavar="CELL", help=f"of {', '.join(CELLS)}; default: all")
    parser.add_argument("--events", type=int, default=100_000, help="a cell; default: 100000")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="default: 1 2 3")
    parser.add_argument("--short", action="store_true", help="few kills and short holds, as in CI")
    parser.add_argument("--out", type=Path, default=Path("build/fault"))
    options = parser.parse_args(arguments)
    unknown = set(options.cells) - CELLS.keys()
    if unknown:
        parser.error(f"no cell {', '.join(sorted(unknown))}; allowed: {', '.join(CELLS)}")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
