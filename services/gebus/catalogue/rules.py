"""The rules that hold between the files of a catalogue, or for one of them beyond its form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from gebus.catalogue.derived import check_derived
from gebus.catalogue.documents import Document, KeyPath, nearest
from gebus.catalogue.draft import Draft
from gebus.catalogue.event import EventValidator
from gebus.catalogue.tree import read_lines
from gebus.model.errors import EventRefused, Finding
from gebus.model.event import EventSchema
from gebus.model.feed import DeduplicateStep, Feed, JoinStep, ReconcileStep, SelectStep, kind_and_name
from gebus.model.identifiers import DIVISIONS, identifier_kinds
from gebus.model.topic import TopicContract

RESERVED_DOMAINS = ("feed", "dead", "gebus")
"""Kafka topics of feeds, dead letters and state begin so: a contract's topic could take the name of one of them."""

_KEY_TYPES = ("string", "int", "long", {"type": "int", "logicalType": "date"})


def check_parties(draft: Draft) -> Iterator[Finding]:
    """The identifiers of parties hold by their own check characters, and their regions are divisions.

    The list of GB/T 2260 is the catalogue's own; where it has none, a region is checked by its form alone.
    """
    uscc = identifier_kinds()["uscc"]
    divisions = draft.codes.values.get(DIVISIONS)
    known = {entry.code for entry in divisions.entries} if divisions is not None else None
    for _, party, document in draft.parties.each():
        problem = uscc.problem(party.uscc, date.min)  # a USCC holds on every day or on none
        if problem is not None:
            found, allowed = uscc.told(party.uscc, problem, shown=True)
            yield document.finding(("uscc",), "identifier", found, allowed, "look it up again")
        if known is not None and party.region[:6] not in known:
            found = f"region {party.region} lies in no division"
            allowed = f"a code of codes/{DIVISIONS}.yaml, or one that begins with it"
            yield document.finding(("region",), "identifier", found, allowed, nearest(party.region[:6], known))


def check_topics(draft: Draft) -> Iterator[Finding]:
    """The key of a contract is made of fields that every event has and that a key can hold."""
    for _, contract, document in draft.topics.each():
        if contract.domain in RESERVED_DOMAINS:
            found, allowed = f"the domain {contract.domain}", f"any but {', '.join(RESERVED_DOMAINS)}"
            advice = "topics that begin with these words are made by the bus"
            yield document.finding(("topic",), "value", found, allowed, advice)
        for name in ("publishers", "key", "examples"):
            yield from _repeats(document, (name,), getattr(contract, name))
        schema = draft.event_of(contract)
        if schema is not None:
            yield from _key_fields(document, ("key",), contract.key, schema)


def check_examples(draft: Draft) -> Iterator[Finding]:
    """Every line of every example is an event that a publisher could send."""
    for topic, contract, _ in draft.topics.each():
        schema = draft.event_of(contract)
        if schema is None:
            continue
        try:
            validator = EventValidator(contract, schema, draft.codes.values)
        except KeyError:
            continue  # the missing or broken code list is a finding of its own
        for example in contract.examples:
            place = draft.examples.get(f"{topic}/{example.removesuffix('.jsonl')}")
            for _, document, findings in read_lines(draft.root, place) if place is not None else ():
                yield from findings
                if document is not None:
                    yield from _example(document, validator)


def _example(document: Document, validator: EventValidator) -> Iterator[Finding]:
    try:
        validator.check(validator.from_json(document.value))
    except EventRefused as error:
        yield document.finding((), "example", f"{error.path}: {error.found}", error.allowed)


def check_feeds(draft: Draft) -> Iterator[Finding]:
    """The steps of a feed fit together, and its sources can be compared."""
    for _, feed, document in draft.feeds.each():
        yield from _step_names(feed, document)
        yield from _one_select_last(feed, document)
        yield from _deduplicates(feed, document, draft)
        yield from _standards(feed, document, draft)


def check_processors(draft: Draft) -> Iterator[Finding]:
    """A processor publishes only what its party may, and nothing below the class of what it reads."""
    for _, processor, document in draft.processors.each():
        contract = draft.topics.values.get(processor.publishes)
        if contract is not None and processor.party not in contract.publishers:
            found = f"{processor.party} is no publisher of {processor.publishes}"
            allowed = f"a party among its publishers: {', '.join(contract.publishers)}"
            advice = f"{contract.owner}, who owns it, may add one"
            yield document.finding(("publishes",), "reference", found, allowed, advice)
        schema = draft.event_of(contract) if contract is not None else None
        feed = draft.feeds.values.get(processor.feed)
        if schema is not None and feed is not None:
            yield from check_derived(processor, schema, _read_levels(feed, draft), document)


def _read_levels(feed: Feed, draft: Draft) -> Mapping[str, int]:
    """What a feed selects, with its level; of a field that a relation makes, the highest that it may be made of."""
    events = {}
    for alias, topic in feed.sources.items():
        contract = draft.topics.values.get(topic)
        schema = draft.event_of(contract) if contract is not None else None
        if schema is not None:
            events[alias] = {field.name: field.level for field in schema.fields}
    highest = max((level for levels in events.values() for level in levels.values()), default=1)
    select = feed.steps[-1]
    chosen = select.select.fields.values() if isinstance(select, SelectStep) else ()
    texts = [one if isinstance(one, str) else one.of for one in chosen]
    split = {text: text.partition(".") for text in texts}
    return {text: events.get(alias, {}).get(name, highest) for text, (alias, _, name) in split.items()}


def _step_names(feed: Feed, document: Document) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for index, step in enumerate(feed.steps):
        kind, name = kind_and_name(step)
        path: KeyPath = ("steps", index, kind, "name")
        line = first.setdefault(name, document.line(path))
        if line != document.line(path) or any(kind_and_name(other)[1] == name for other in feed.steps[:index]):
            found = f"a second step named {name}, the first is in line {line}"
            yield document.finding(path, "steps", found, "each name once in a feed: state derives from it")


def _one_select_last(feed: Feed, document: Document) -> Iterator[Finding]:
    selects = [index for index, step in enumerate(feed.steps) if isinstance(step, SelectStep)]
    allowed = "exactly one select, as the last step"
    if not selects:
        yield document.finding(("steps",), "steps", "no select", allowed, "say which fields the consumer gets")
    for index in selects:
        if index != len(feed.steps) - 1:
            yield document.finding(("steps", index), "steps", f"a select as step {index + 1}", allowed)


def _deduplicates(feed: Feed, document: Document, draft: Draft) -> Iterator[Finding]:
    for index, step in enumerate(feed.steps):
        if not isinstance(step, DeduplicateStep):
            continue
        place: KeyPath = ("steps", index, "deduplicate")
        yield from _repeats(document, (*place, "key"), step.deduplicate.key)
        source = feed.sources.get(step.deduplicate.of)
        if source is None:
            relations = [kind_and_name(other)[1] for other in feed.steps if isinstance(other, JoinStep | ReconcileStep)]
            if step.deduplicate.of not in relations:
                known = [*feed.sources, *relations]
                found, advice = f"`of` is {step.deduplicate.of}", nearest(step.deduplicate.of, known)
                allowed = f"a source of the feed: {', '.join(feed.sources)}"
                allowed += f"; or the step {', '.join(relations)}" if relations else ""
                yield document.finding((*place, "of"), "steps", found, allowed, advice)
            continue
        contract = draft.topics.values.get(source)
        schema = draft.event_of(contract) if contract is not None else None
        if schema is not None:
            yield from _key_fields(document, (*place, "key"), step.deduplicate.key, schema)


def _standards(feed: Feed, document: Document, draft: Draft) -> Iterator[Finding]:
    contracts = [
        (alias, draft.topics.values[topic]) for alias, topic in feed.sources.items() if topic in draft.topics.values
    ]
    for alias, contract in contracts[1:]:
        first_alias, first = contracts[0]
        differences = _differences(first, contract)
        if differences:
            found = f"{first_alias} ({first.topic}) and {alias} ({contract.topic}) differ in {'; '.join(differences)}"
            allowed = "sources of one statistical standard"
            advice = "bring one of them to the other's standard first, as a topic of its own"
            yield document.finding(("sources", alias), "standard", found, allowed, advice)


def _differences(one: TopicContract, other: TopicContract) -> list[str]:
    if one.standard is None and other.standard is None:
        return []
    if one.standard is None or other.standard is None:
        return [
            f"standard: {'none' if one.standard is None else 'one'} and {'none' if other.standard is None else 'one'}"
        ]
    left, right = one.standard.model_dump(), other.standard.model_dump()
    return [f"{name}: {left[name]} and {right[name]}" for name in left if left[name] != right[name]]


def _key_fields(document: Document, path: KeyPath, key: Sequence[str], schema: EventSchema) -> Iterator[Finding]:
    names = [field.name for field in schema.fields]
    for index, name in enumerate(key):
        field = schema.field(name)
        if field is None:
            found = f"{schema.name} has no field {name}"
            yield document.finding(
                (*path, index), "contract-key", found, f"a field of {schema.name}", nearest(name, names)
            )
        elif field.type not in _KEY_TYPES:
            found = f"{name} is {'nullable' if field.nullable else 'of another type'}"
            allowed = "key fields of string, int, long or date, never null"
            yield document.finding((*path, index), "contract-key", found, allowed)


def _repeats(document: Document, path: KeyPath, items: Sequence[str]) -> Iterator[Finding]:
    for index, item in enumerate(items):
        if item in items[:index]:
            yield document.finding((*path, index), "value", f"{item} is written twice", "each once")
