"""run processor: business logic on the bus, as a program."""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from gebus.cli._options import CatalogueOption
from gebus.cli._run import run_group
from gebus.model.errors import GebusError

_EXTRA = {"faust": "faust-streaming", "cramjam": "cramjam", "prometheus_client": "prometheus-client"}
_CHATTY = ("faust", "mode", "gebus.kafka.processor_clients", "aiokafka", "kafka", "httpx")


def register(app: typer.Typer) -> None:
    """Add this group to the command."""
    run_group(app).command("processor")(run_processor_command)


def run_processor_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The processor, as in early-warning.")],
    *,
    root: CatalogueOption = Path("schemas"),
    metrics_port: Annotated[
        int | None, typer.Option(min=1024, max=65_535, help="Port of its metrics on 127.0.0.1.")
    ] = None,
) -> None:
    """Run a processor of the catalogue, as its party, until Ctrl-C or SIGTERM; then stop within seconds.

    Nothing is lost, however it ends: run it again. Two copies share the partitions of the feed between them. What it
    fails on ends it with exit status 1, and it begins with the same record when it is run again. Messages go to
    standard error.
    """
    _require_extra()
    from gebus.processors.process import ProcessorOptions, run_processor

    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    run_processor(ProcessorOptions(name, root, metrics_port))


def _require_extra() -> None:
    missing = [package for module, package in _EXTRA.items() if find_spec(module) is None]
    if missing:
        raise GebusError(
            f"{', '.join(missing)}: not installed; processors need the extra `processors`: "
            "pip install 'gebus[processors]'"
        )
