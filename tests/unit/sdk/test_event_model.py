"""Typed events."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from gebus.catalogue import EventValidator
from gebus.model.catalogue import Catalogue
from gebus.model.errors import NotFound
from gebus_connectors.sdk import event_model

TOPIC = "market.price_report"
FIELDS: dict[str, Any] = {
    "event_id": "e",
    "entity_id": "k",
    "revision": 0,
    "status": "ASSERTED",
    "occurred_at": datetime(2020, 2, 1, tzinfo=UTC),
    "region": "420100",
    "product": "口罩",
    "category": "MASK",
    "price": Decimal("12.50"),
}


def test_a_made_event_passes_the_validator(catalogue: Catalogue) -> None:
    model = event_model(catalogue, TOPIC)
    made = model(
        **FIELDS,
        seen_on=date(2020, 2, 1),
        batch=UUID(int=1),
        photo=b"x",
        sellers=[{"name": "甲", "sold": 3}],
        tags={"a": "b"},
    )
    filled = made.model_dump() | {"source": "shop", "published_at": datetime(2020, 2, 1, tzinfo=UTC)}
    EventValidator(catalogue.topics[TOPIC], catalogue.events[TOPIC], catalogue.codes).check(filled)
    assert (model.__name__, filled["on_offer"], filled["stock"]) == ("PriceReport", False, None)
    assert model.model_fields["product"].description == "What is sold."


@pytest.mark.parametrize(
    "wrong",
    [
        {"revision": "0"},
        {"revision": 2**63},
        {"status": "MAYBE"},
        {"occurred_at": datetime(2020, 2, 1)},  # noqa: DTZ001 - the point of the test
        {"price": Decimal("1.005")},
        {"stock": 2**31},
        {"rating": float("nan")},
        {"sellers": [{"name": "甲"}]},
        {"prise": 1},
    ],
)
def test_what_does_not_fit_is_refused_when_it_is_made(catalogue: Catalogue, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        event_model(catalogue, TOPIC)(**(FIELDS | wrong))


def test_an_event_does_not_change_and_shares_no_default(catalogue: Catalogue) -> None:
    model: Any = event_model(catalogue, TOPIC)
    first, second = model(**FIELDS), model(**FIELDS)
    with pytest.raises(ValidationError):
        first.product = "other"
    first.sellers.append(1)
    assert second.sellers == []


def test_an_unknown_topic_names_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(NotFound, match=r"no topic market.price_reports; did you mean `market.price_report`?"):
        event_model(catalogue, "market.price_reports")
