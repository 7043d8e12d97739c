"""A select step: each field of the delivered record, and what the policy leaves of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gebus.model.event import ENVELOPE, Mask
from gebus.model.feed import Feed, Select, SelectedField
from gebus.model.mask import mask_of
from gebus.plan.origin import Origin
from gebus.plan.refusal import KeyPath, Problem, Refusal
from gebus.plan.schema import delivered_type
from gebus.plan.values import FieldPlan
from gebus.policy import Policy, decide, inapplicable


@dataclass(frozen=True, slots=True)
class Selection:
    """What a select of `feed` can name: `scope` by alias, besides the `envelope` of the record."""

    feed: Feed
    envelope: Origin
    scope: Mapping[str, Origin]
    policy: Policy

    def plan(self, step: Select, path: KeyPath) -> tuple[list[FieldPlan], list[Problem]]:
        """The envelope, then each selected field, or the problem with it; `path` leads to the fields."""
        fields = [self._planned(name, name, self.envelope, name, None) for name in ENVELOPE]
        problems = []
        for name, choice in step.fields.items():
            try:
                fields.append(self._field(name, choice))
            except Refusal as refusal:
                problems.append(Problem(self.feed, (*path, name), f"{step.name}.{name}", refusal))
        return fields, problems

    def _field(self, name: str, choice: str | SelectedField) -> FieldPlan:
        if name in ENVELOPE:
            raise Refusal(f"`{name}` is selected", "other names: the envelope is delivered without being asked for")
        text = choice if isinstance(choice, str) else choice.of
        alias, _, source_name = text.partition(".")
        if alias not in self.scope:
            raise Refusal(f"`{text}`", f"<source>.<field>, where the source is {', '.join(self.scope)}")
        origin = self.scope[alias]
        field = origin.field(source_name)
        if field is None:
            raise Refusal(f"`{alias}` has no field `{source_name}`", ", ".join(origin.fields))
        author = None if isinstance(choice, str) else mask_of(choice.mask)
        if author is not None and (problem := inapplicable(author, field.plain_type)):
            raise Refusal(problem, "a mask that fits the type of the field")
        return self._planned(name, text, origin, source_name, author)

    def _planned(self, name: str, of: str, origin: Origin, source_name: str, author: Mask | None) -> FieldPlan:
        field = origin.field(source_name)
        if field is None:
            raise AssertionError("the catalogue refuses an event without its envelope")
        outcome = decide(field, self.feed.tier, self.policy, author)
        avro = delivered_type(field, origin.type(source_name), outcome.mask)
        return FieldPlan(name, field, outcome, avro, of, origin.path(source_name))
