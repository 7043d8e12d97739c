"""The directory `schemas/` as a Catalogue, or everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

from gebus.catalogue.draft import read_draft
from gebus.catalogue.references import check_references
from gebus.catalogue.rules import check_examples, check_feeds, check_parties, check_processors, check_topics
from gebus.model.catalogue import Catalogue
from gebus.model.errors import ContractError


def load(root: Path) -> Catalogue:
    """Read and check a catalogue.

    Promised: what is returned breaks no rule of the catalogue; ContractError holds every finding of every file. A
    hostile file costs bounded time and memory and no other file. Not promised: that conditions compile and masks are
    allowed; `gebus.plan.check` says that of a catalogue that has been loaded.
    """
    draft = read_draft(root)
    rules = (check_references, check_parties, check_topics, check_examples, check_feeds, check_processors)
    findings = draft.findings + [finding for rule in rules for finding in rule(draft)]
    if findings:
        raise ContractError(findings)
    topics = draft.topics.values
    events = {name: draft.events.values[f"{contract.domain}/{contract.event}"] for name, contract in topics.items()}
    return Catalogue(
        root=root,
        parties=draft.parties.values,
        topics=topics,
        events=events,
        feeds=draft.feeds.values,
        codes=draft.codes.values,
        processors=draft.processors.values,
    )
