"""Workload W3: offers, each with its product's newest row of a table, of which a tenth was replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.bench.digest import Digest, Outcome
from tests.bench.source import (
    FIRST_INSTANT,
    SCHEMAS,
    Chunk,
    Latest,
    Registered,
    Source,
    Target,
    example_of,
    schema_of,
    topics,
)
from tests.bench.template import Columns, Template, plain

CATALOGUE = SCHEMAS / "w3"
CONTRACTS = ("market.offer", "market.product")
FEED = "feed.shichang.offers-of-products"
OFFER, PRODUCT = schema_of(CATALOGUE, "market/Offer"), schema_of(CATALOGUE, "market/Product")

_OFFERED, _REGISTERED = (example_of(CATALOGUE, contract) for contract in CONTRACTS)
_CHUNK = 10_000
_HOUR_MS = 3_600_000

Numbers = NDArray[np.int64]


def rows(size: int) -> tuple[Numbers, Numbers]:
    """Product and revision of each row of the table, in order: every product, then every tenth once more."""
    again = np.arange(0, size, 10)
    return np.concatenate([np.arange(size), again]), np.repeat([0, 1], [size, len(again)])


def offered(size: int) -> Numbers:
    """The product of each offer."""
    return np.random.default_rng(1).integers(0, size, size)


def offers(numbers: Numbers, products: Numbers) -> Columns:
    moments = FIRST_INSTANT + _HOUR_MS + numbers
    return {
        "event_id": numbers,
        "entity_id": numbers,
        "occurred_at": moments,
        "published_at": moments + 40,
        "region": 110_000 + numbers * 7919 % 549_000,
        "sku": products,
        "price_cents": 1_000 + numbers % 5_000,
        "stock": 100 + numbers % 5_000,
        "seller": numbers % 999_983,
        "seller_phone": 13_800_000_000 + numbers,
        "url": numbers,
    }


def products_of(numbers: Numbers, revisions: Numbers) -> Columns:
    moments = FIRST_INSTANT + numbers + revisions * 1_000_000
    return {
        "event_id": 2 * numbers + revisions,
        "entity_id": numbers,
        "revision": revisions,
        "occurred_at": moments,
        "published_at": moments + 40,
        "region": 110_000 + numbers * 6007 % 549_000,
        "sku": numbers,
        "maker": numbers % 999_979,
        "licence": 2 * numbers + revisions,
        "baseline_cents": 1_000 + numbers % 5_000,
    }


def fill(size: int, target: Target, latest: Latest, part: str = "") -> Source:
    """Publish a table of `size` products and its replaced rows, and then, later by the log, as many offers."""
    products, feed = offered(size), latest(f"{FEED}-value")
    left, right = topics(target, CONTRACTS, part)
    offer = Template(OFFER, latest(f"{CONTRACTS[0]}-value").id, _OFFERED)
    product = Template(PRODUCT, latest(f"{CONTRACTS[1]}-value").id, _REGISTERED)
    numbers, revisions = rows(size)

    def table() -> Iterator[Chunk]:
        for begin in range(0, len(numbers), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            filled = product.fill(products_of(numbers[part], revisions[part]))
            yield right, filled.keys("sku"), filled.values()

    def stream() -> Iterator[Chunk]:
        for begin in range(0, size, _CHUNK):
            some = np.arange(begin, min(begin + _CHUNK, size))
            filled = offer.fill(offers(some, products[some]))
            yield left, filled.keys("sku"), filled.values()

    target.publish(table())
    target.publish(stream())
    schemas = (plain(OFFER), plain(PRODUCT))
    return Source((left, right), size + len(numbers), outcome(products, feed), schemas, feed, derived=True)


def outcome(products: Numbers, feed: Registered) -> Outcome:
    """What is to be delivered: every offer, with its product's newest row."""
    digest = Digest(derived=True)
    schema = json.loads(feed.schema)
    example: dict[str, Any] = {**_REGISTERED, **_OFFERED, "seller_phone": None}
    joined, names = Template(schema, feed.id, example), {field["name"] for field in schema["fields"]}
    for begin in range(0, len(products), _CHUNK):
        numbers = np.arange(begin, min(begin + _CHUNK, len(products)))
        row = products_of(products[numbers], (products[numbers] % 10 == 0).astype(np.int64))
        columns = {**row, **offers(numbers, products[numbers]), "revision": np.zeros(len(numbers), np.int64)}
        filled = joined.fill({name: column for name, column in columns.items() if name in names - {"seller_phone"}})
        for key, value in zip(filled.keys("sku"), filled.values(), strict=True):
            digest.add(key, value)
    return Outcome(digest.count, digest.hex())
