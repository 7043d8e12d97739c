"""The rows of a bench as a table, a picture and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import matplotlib as mpl
from rich.console import Console
from rich.table import Table
from tests.bench.run import Row

mpl.use("Agg")  # a picture for a file: no display is needed, and none may be there

_COLUMNS = (
    ("system", "system"),
    ("version", "version"),
    ("guarantee", "guarantee"),
    ("events", "events"),
    ("outputs", "outputs"),
    ("seconds", "seconds"),
    ("CPU s", "cpu_seconds"),
    ("events/s", "events_per_s"),
    ("events/CPU s", "events_per_cpu_s"),
    ("peak MB", "peak_mb"),
    ("restart s", "restart_seconds"),
)


def as_json(rows: Sequence[Row]) -> str:
    """One object a row; what was not measured is not named."""
    objects = [{name: value for name, value in asdict(row).items() if value is not None} for row in rows]
    return json.dumps(objects, indent=2) + "\n"


def print_table(title: str, rows: Sequence[Row], console: Console) -> None:
    table = Table(title=title)
    columns = [column for column in _COLUMNS if any(getattr(row, column[1]) is not None for row in rows)]
    for heading, name in columns:
        number = name not in ("system", "version", "guarantee")
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in rows:
        values = asdict(row)
        table.add_row(*(_text(values[name]) for _, name in columns))
    console.print(table)
    if rows and any(row.events < rows[0].events for row in rows):
        console.print("Where fewer events are named, the system is too slow for all of them and got the first part.")


def _text(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def draw(title: str, rows: Sequence[Row], path: Path) -> None:
    """Events per CPU second and per second of every system, on a logarithmic scale, as a PNG."""
    from matplotlib import pyplot

    names = [f"{row.system} {row.version}\n{row.guarantee}" for row in rows]
    figure, axes = pyplot.subplots(figsize=(10, 1 + 0.8 * len(rows)), layout="constrained")
    places = range(len(rows))
    groups = (
        ("events per CPU second of the program", [row.events_per_cpu_s for row in rows], -0.2, "#1b6ca8"),
        ("events per second", [row.events_per_s for row in rows], 0.2, "#b9cfe0"),
    )
    for label, values, shift, colour in groups:
        bars = axes.barh([place + shift for place in places], values, height=0.38, label=label, color=colour)
        axes.bar_label(bars, labels=[f"{value:,}" for value in values], padding=3, fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_yticks(list(places), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_title(f"{title}\none broker; each output checked against the oracle", fontsize=10)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
