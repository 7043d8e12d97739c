"""Bounds are checked before anything connects."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gebus_connectors.sdk import PublisherOptions, SubscriberOptions


def test_a_bound_is_above_nothing() -> None:
    with pytest.raises(ValueError, match=r"PublisherOptions.in_flight_records is 0; allowed: more than 0"):
        PublisherOptions(in_flight_records=0)
    with pytest.raises(ValueError, match=r"SubscriberOptions.commit_interval is .*; allowed: more than"):
        SubscriberOptions(commit_interval=timedelta(seconds=-1))


def test_options_do_not_change() -> None:
    with pytest.raises(AttributeError):
        PublisherOptions().in_flight_bytes = 1  # type: ignore[misc]  # the point of the test
