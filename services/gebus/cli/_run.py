"""The group `run`, which several modules add a command to."""

from __future__ import annotations

import typer

_NAME = "run"


def run_group(app: typer.Typer) -> typer.Typer:
    """The group of the command `gebus run`, made where it is asked for first."""
    for group in app.registered_groups:
        if group.name == _NAME and group.typer_instance is not None:
            return group.typer_instance
    run = typer.Typer(no_args_is_help=True, help="Run a part of the bus until it is stopped.")
    # A group of one command would otherwise be that command.
    run.callback()(lambda: None)
    app.add_typer(run, name=_NAME)
    return run
