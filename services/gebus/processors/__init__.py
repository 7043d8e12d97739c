"""Processors: programs of the bus that read feeds, conclude something, and publish it as events of a party.

One module a processor, with its business as a pure function (`logic` says what that is); `app` is the Faust around it,
`process` the program that `gebus run processor` runs. Only those two need the extra `processors`.
"""

from collections.abc import Callable, Mapping

from gebus.model.catalogue import CodeList
from gebus.processors import early_warning
from gebus.processors.logic import Logic

PROCESSORS: Mapping[str, Callable[[Mapping[str, CodeList]], Logic]] = {
    early_warning.NAME: early_warning.EarlyWarning,
}
"""What each processor does, made from the code lists of the catalogue."""
