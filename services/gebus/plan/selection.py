"""A select step: each field of the delivered record, and what the policy leaves of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gebus.model.event import ENVELOPE, EventField, Mask
from gebus.model.feed import Feed, Select, SelectedField
from gebus.model.mask import mask_of
from gebus.plan.origin import Origin
from gebus.plan.refusal import KeyPath, Problem, Refusal
from gebus.plan.schema import delivered_type, in_both_modes, plain
from gebus.plan.values import FieldPlan
from gebus.policy import (
    NULL,
    TOKEN_LIST,
    Outcome,
    Policy,
    PolicyMode,
    Shown,
    TokenRule,
    decide,
    inapplicable,
    tells_no_more,
    told_together,
)


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
        return fields, problems or [Problem(self.feed, path, step.name, refusal) for refusal in self._together(fields)]

    def _together(self, fields: Sequence[FieldPlan]) -> Iterator[Refusal]:
        """What the fields of the view tell together and must not, in either mode."""
        for mode, when in enumerate(("", " in an emergency")):
            shown = [
                Shown(field.name, field.source, field.outcomes[mode].mask)
                for field in fields
                if field.outcomes[mode].delivered
            ]
            found = list(told_together(self.policy.combinations, self.feed.tier, shown))
            if found:
                combination, parts = found[0]
                told = " beside ".join(f"`{one.name}` ({one.words})" for one in parts)
                allowed = f"no view with both, by {combination.code}: {combination.source}"
                yield Refusal(f"{told}{when}", allowed, "leave one of them out, or mask one of them more")
                return

    def tokens(self, fields: Sequence[FieldPlan]) -> TokenRule | None:
        """How the tokens among these fields are made."""
        if not any(outcome.mask is not None and outcome.mask.kind == "token" for f in fields for outcome in f.outcomes):
            return None
        rule = self.policy.token_rule(self.feed.purpose)
        if rule is None:
            found = f"a token, and no rule how tokens for {self.feed.purpose} are made"
            raise Refusal(found, f"codes/{TOKEN_LIST}.yaml with a rule for {self.feed.purpose}, or for any")
        return rule

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
        planned = self._planned(name, text, origin, source_name, author)
        normal, emergency = planned.outcomes
        if self.feed.corrections == "follow" and not tells_no_more(normal, emergency):
            # What is taken back is shown as the normal mode shows it, also in an emergency.
            raise Refusal(
                f"`{text}` is {emergency.words} in an emergency, which tells less than {normal.words}, "
                "and `corrections: follow` takes back what the normal mode shows",
                "corrections: independent, or a mask that tells no more than the emergency does",
            )
        return planned

    def _planned(self, name: str, of: str, origin: Origin, source_name: str, author: Mask | None) -> FieldPlan:
        field = origin.field(source_name)
        if field is None:
            raise AssertionError("the catalogue refuses an event without its envelope")
        normal, emergency = self._outcomes(field, author)
        types = [delivered_type(field, origin.type(source_name), one.mask) for one in (normal, emergency)]
        given = [avro if one.delivered else None for avro, one in zip(types, (normal, emergency), strict=True)]
        avro = types[0] if given == [None, None] else in_both_modes(*given)
        if avro is None:
            # A record has one schema: what is a text for good cannot be a number for a while.
            reason = f"{emergency.reason}, but that is of another type than {normal.words}"
            if tells_no_more(normal, emergency):
                emergency, avro = replace(normal, reason=f"{reason}: as in the normal mode"), types[0]
            else:
                emergency = Outcome(NULL, emergency.decided_by, f"{reason}: nothing is told", emergency.line)
                avro = in_both_modes(types[0], ["null", plain(types[0])])
        return FieldPlan(name, field, normal, emergency, avro, of, origin.path(source_name))

    def _outcomes(self, field: EventField, author: Mask | None) -> tuple[Outcome, Outcome]:
        """In the normal mode and in an emergency; the same where the feed flows in one of them alone."""
        modes: dict[str, tuple[PolicyMode, PolicyMode]] = {
            "any": ("normal", "emergency"),
            "normal": ("normal", "normal"),
            "emergency": ("emergency", "emergency"),
        }
        feed = self.feed
        normal, emergency = (
            decide(field, feed.tier, self.policy, author, purpose=feed.purpose, mode=mode) for mode in modes[feed.mode]
        )
        return normal, normal if normal.mask == emergency.mask else emergency
