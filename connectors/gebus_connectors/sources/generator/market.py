"""Invented penalties, the shops of merchants on platforms, what the platforms did, their orders and stock."""

from __future__ import annotations

import random

from gebus.model.identifiers import uscc

_KINDS = ("removal", "suspension", "warning")
_ACTIONS = {"removal": "removed", "suspension": "suspended", "warning": "warned"}
_REASONS = ("哄抬口罩价格", "销售假冒消毒液", "未明码标价", "虚假宣传药效")
_GOODS = ("mask_n95", "mask_surgical", "protective_suit", "gloves", "alcohol")
_DECIDED = 18_290
"""29 January 2020."""

_Content = dict[str, object]


def merchant_code(number: int) -> str:
    """The USCC of nobody: a Beijing district that registers none (110199), a number, and both check characters."""
    return uscc.complete("91110199", f"MAX{number:05d}")


_MERCHANTS = tuple(merchant_code(number) for number in range(40))


def penalty(numbers: random.Random, which: int, _region: str, _day: int) -> _Content:
    """A decision on one merchant; a correction may change what was decided."""
    kind = numbers.choice(_KINDS)
    return {
        "penalty_no": f"演示〔2020〕{which}号",
        "uscc": _MERCHANTS[which],
        "kind": kind,
        "reason": _REASONS[which % len(_REASONS)],
        "decided_on": _DECIDED + which % 20,
        "ends_on": _DECIDED + 60 if kind == "suspension" else None,
    }


def merchant(numbers: random.Random, which: int, _region: str, _day: int) -> _Content:
    """A shop; two in three of the merchants have one shop, the others have it beside another one's."""
    owner = which if which % 3 else which // 3
    name = numbers.choice(("药房", "药店"))
    return {"uscc": _MERCHANTS[owner], "shop_no": f"{which:06d}", "name": f"演示{owner}号{name}"}


def outcome(numbers: random.Random, which: int, _region: str, _day: int) -> _Content:
    """What a platform did about the penalty of that number."""
    kind = _KINDS[which % len(_KINDS)]
    return {
        "penalty_no": f"演示〔2020〕{which}号",
        "uscc": _MERCHANTS[which],
        "action": numbers.choice((_ACTIONS[kind], "restored")),
        "acted_on": _DECIDED + which % 20 + 1,
        "remark": numbers.choice([None, "已通知商户"]),
    }


def order(numbers: random.Random, which: int, region: str, _day: int) -> _Content:
    """An order of one needed good; half of them say who ordered."""
    named = which % 2 == 0
    return {
        "good": _GOODS[which % len(_GOODS)],
        "quantity": numbers.randrange(1, 500),
        "price_fen": numbers.randrange(200, 9_000),
        "merchant_uscc": _MERCHANTS[which],
        "buyer_name": f"演示{which}" if named else None,
        "buyer_phone": f"100000{which:05d}" if named else None,
        "address": f"{region}演示路{which}号" if named else None,
    }


def stock(numbers: random.Random, which: int, region: str, _day: int) -> _Content:
    """What a warehouse has of one good."""
    return {
        "good": _GOODS[which % len(_GOODS)],
        "warehouse": f"演示{region}仓",
        "quantity": numbers.randrange(50_000),
        "merchant_uscc": _MERCHANTS[which],
    }
