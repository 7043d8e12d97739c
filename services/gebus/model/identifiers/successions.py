"""What python-stdnum's list of divisions lacks, and which division followed another under another name."""

from __future__ import annotations

from collections.abc import Mapping

MISSING: Mapping[str, str] = {
    "330113": "[2021-]临平区",
    "330114": "[2021-]钱塘区",
    "232761": "[2018-]加格达奇区",
    "232762": "[2018-]松岭区",
    "232763": "[2018-]新林区",
    "232764": "[2018-]呼中区",
}
"""Written as python-stdnum writes its own. The first two are absent there; the others have traditional characters.

Source: the edition of 2023 of GB/T 2260 as the Ministry of Civil Affairs published it.
"""

MERGED: Mapping[str, tuple[str, ...]] = {
    "110103": ("110101",),
    "110104": ("110102",),
    "120107": ("120116",),
    "120108": ("120116",),
    "120109": ("120116",),
    "130521": ("130502", "130503"),
    "130526": ("130505",),
    "310103": ("310101",),
    "310108": ("310106",),
    "310119": ("310115",),
    "320611": ("320613",),
    "330103": ("330105",),
    "330104": ("330102", "330114"),
    "340208": ("340209",),
    "340221": ("340210",),
    "341400": ("340100", "340200", "340500"),
    "341402": ("340181",),
    "350402": ("350404",),
    "350427": ("350405",),
    "360105": ("360112",),
    "370634": ("370614",),
    "371200": ("370100",),
    "410306": ("410308",),
    "450127": ("450181",),
    "520221": ("520204",),
}
"""Divisions that went into others, were split among them, or took another name with another code.

Source: the yearly lists of changes at and above the county (县级以上行政区划变更情况) of the Ministry of Civil Affairs.
Not all of them: those before 2008 are left to the rule of equal names.
"""

MOVED_PROVINCES = (("51", "50"), ("44", "46"))
"""Chongqing left Sichuan in 1997, and Hainan Guangdong in 1988: the counties kept their names."""
