"""The `gebus` command: one module a command group, each adds its commands to the app."""

from __future__ import annotations

import importlib
import sys

import typer

from gebus.model.errors import GebusError

_GROUPS = (
    "stack",
    "catalogue",
    "plan",
    "policy",
    "lanes",
    "state",
    "offsets",
    "usage",
    "replay",
    "sandbox",
    "processors",
    "ledger",
    "edge",
    "identifier",
    "grant",
    "mode",
    "person",
    "demo",
)


def build() -> typer.Typer:
    """The whole command, every group registered."""
    app = typer.Typer(
        name="gebus",
        help="An event bus between enterprises and government.",
        no_args_is_help=True,
        rich_markup_mode="rich" if sys.stdout.isatty() else None,  # boxes are for people; a pipe gets plain lines
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for group in _GROUPS:
        importlib.import_module(f"gebus.cli.{group}").register(app)
    return app


def main() -> None:
    """Run the command; an error that gebus foresaw ends with its message and exit status 1, Ctrl-C with 130."""
    try:
        build()()
    except GebusError as error:
        sys.stderr.write(f"gebus: {error}\n")
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
