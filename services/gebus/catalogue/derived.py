"""What is derived has the highest class of what it was derived from, unless it counts many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gebus.catalogue.documents import Document, nearest
from gebus.model.errors import Finding
from gebus.model.event import EventSchema
from gebus.model.processor import Processor


def check_derived(
    processor: Processor, published: EventSchema, read: Mapping[str, int], document: Document
) -> Iterator[Finding]:
    """The class of what a processor publishes, against that of the fields that it reads, by `<alias>.<field>`."""
    counts = processor.counts
    if counts is not None:
        field = published.field(counts.field)
        if field is None or field.plain_type not in ("int", "long") or field.nullable:
            numbers = [one.name for one in published.fields if one.type in ("int", "long")]
            found = f"{published.name} has no number `{counts.field}` that is always there"
            allowed = f"a field of type int or long: {', '.join(numbers)}"
            yield document.finding(
                ("counts", "field"), "classification", found, allowed, nearest(counts.field, numbers)
            )
        return
    own = max(field.level for field in published.fields)
    above = {name: level for name, level in read.items() if level > own}
    if above:
        name, level = max(above.items(), key=lambda one: one[1])
        found = f"{published.name} is of class {own}, and {processor.reads} holds {name} of class {level}"
        allowed = f"an event with a field of level {level}; or `counts`, where it counts at least so many"
        advice = f"classify what is derived of {name} as it is, or read a feed without it"
        yield document.finding(("publishes",), "classification", found, allowed, advice)
