"""The supported surface of the SDK is what it says, and no more."""

from __future__ import annotations

import types

from gebus_connectors import sdk


def test_all_is_what_is_visible() -> None:
    visible = {
        name
        for name, value in vars(sdk).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert visible == set(sdk.__all__)
    assert list(sdk.__all__) == sorted(sdk.__all__)


def test_everything_promised_says_what_it_does() -> None:
    for name in sdk.__all__:
        if name != "Start":
            assert getattr(sdk, name).__doc__, f"{name} has no docstring"
